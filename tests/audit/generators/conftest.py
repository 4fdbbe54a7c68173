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
