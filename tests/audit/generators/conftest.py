"""Small made-up crop libraries: what a feature's windows look like, without any network behind them."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from foveal_audit.generators import Generator, fit_generator


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    noise = gaussian_filter(rng.standard_normal((height, width)), 1.2)
    return noise / noise.std()


def _spiky(n: int, shape: tuple[int, int, int] = (1, 32, 32), seed: int = 0, jitter: int = 0) -> np.ndarray:
    """Spiculated blobs on textured noise, (n, C, h, w); channels differ in brightness."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    rows, columns = np.mgrid[:height, :width]
    crops = np.empty((n, *shape), np.float32)
    for crop in crops:
        y, x = (height - 1) / 2, (width - 1) / 2
        y, x = np.array([y, x]) + (rng.integers(-jitter, jitter + 1, 2) if jitter else 0)
        angle, radius = np.arctan2(rows - y, columns - x), np.hypot(rows - y, columns - x)
        edge = min(height, width) * (0.2 + 0.09 * np.cos(rng.integers(6, 10) * angle + rng.uniform(0, 6)))
        blob = 1 / (1 + np.exp(radius - edge))
        picture = 0.35 + 0.35 * blob + 0.05 * _texture(rng, height, width)
        crop[:] = picture * np.linspace(1.0, 0.7, channels)[:, None, None]
    return crops.clip(0, 1)


def _letters(n: int, offsets: np.ndarray, seed: int = 0, side: int = 32) -> np.ndarray:
    """The letter R on noise, moved down and right by each row of ``offsets`` (n, 2); (n, 1, side, side)."""
    rng = np.random.default_rng(seed)
    crops = []
    for y, x in offsets[:n]:
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).text((10 + x, 6 + y), "R", fill=255, font=ImageFont.load_default(18))
        ink = np.asarray(mask) / 255
        crops.append((0.3 + 0.05 * _texture(rng, side, side)) * (1 - ink) + 0.9 * ink)
    return np.stack(crops)[:, None].astype(np.float32).clip(0, 1)


def _beats(n: int, steps: int = 64, channels: int = 1, seed: int = 0, jitter: int = 0) -> np.ndarray:
    """Heart beats, half of them narrow and half broad, (n, C, steps); later channels are weaker."""
    rng = np.random.default_rng(seed)
    times = np.arange(steps)
    crops = np.empty((n, channels, steps), np.float32)
    for number in range(n):
        middle = steps / 2 + (rng.integers(-jitter, jitter + 1) if jitter else 0)
        width = rng.uniform(1.2, 2.0) * (1 + 1.5 * (number % 2))
        beat = rng.uniform(0.3, 0.5) * np.exp(-(((times - middle) / width) ** 2))
        wave = rng.uniform(0.03, 0.12) * np.exp(-(((times - middle - 0.28 * steps) / 5) ** 2))
        crops[number] = 0.3 + (beat + wave) * np.linspace(1, 0.6, channels)[:, None]
    crops += rng.normal(0, 0.01, crops.shape)
    return crops.clip(0, 1)


def _blobs(n: int, side: int = 16, channels: int = 1, seed: int = 0, jitter: int = 0) -> np.ndarray:
    """Bright ellipsoids on noise, (n, C, side, side, side)."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[:side, :side, :side]
    crops = np.empty((n, channels, side, side, side), np.float32)
    for crop in crops:
        middle = (side - 1) / 2 + (rng.integers(-jitter, jitter + 1, 3) if jitter else np.zeros(3))
        radii = rng.uniform(0.18, 0.3, 3) * side
        apart = (((grid.transpose(1, 2, 3, 0) - middle) / radii) ** 2).sum(-1)
        crop[:] = 0.3 + rng.uniform(0.3, 0.5) / (1 + np.exp(4 * (apart - 1)))
    crops += rng.normal(0, 0.03, crops.shape)
    return crops.clip(0, 1)


@pytest.fixture(scope="session")
def beats() -> Callable[..., np.ndarray]:
    return _beats


@pytest.fixture(scope="session")
def blobs() -> Callable[..., np.ndarray]:
    return _blobs


@pytest.fixture(scope="session")
def of_shape() -> Callable[..., np.ndarray]:
    """Make n crops of any shape (C, *s)."""

    def make(n: int, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) == 2:
            return _beats(n, shape[1], shape[0])
        if len(shape) == 3:
            return _spiky(n, shape)
        side = max(shape[1:])
        return _blobs(n, side, shape[0])[:, :, : shape[1], : shape[2], : shape[3]]

    return make


@pytest.fixture(scope="session")
def spiky() -> Callable[..., np.ndarray]:
    return _spiky


@pytest.fixture(scope="session")
def letters() -> Callable[..., np.ndarray]:
    return _letters


@pytest.fixture(scope="session")
def library() -> np.ndarray:
    """100 registered crops of one feature."""
    return _spiky(100)


@pytest.fixture(scope="session")
def gmm(library: np.ndarray) -> Generator:
    return fit_generator(library, kind="pca-gmm", seed=0)


@pytest.fixture(scope="session")
def vae(library: np.ndarray) -> Generator:
    return fit_generator(library, kind="pca-vae", seed=0, steps=60)
