"""What pictures are drawn with: smooth shapes, noise with a spectrum, and colours laid over each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Colour = tuple[float, ...]

#: Side of every made-up image, in pixels.
SIZE = 64
#: From this opacity on a pixel counts as covered.
SEEN = 0.1


@lru_cache(maxsize=1)
def grid() -> tuple[Image, Image]:
    """Give the rows and columns of all pixels, float32 (64, 64) each; not to be written to."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    return y, x


def polar(centre: tuple[float, float]) -> tuple[Image, Image]:
    """Give distance (pixels) and angle (radians) of all pixels from a centre (y, x)."""
    y, x = grid()
    return np.hypot(y - centre[0], x - centre[1]), np.arctan2(y - centre[0], x - centre[1])


def within(distance: Image, edge: Image | float, softness: float = 0.7) -> Image:
    """Fade from 1 where a distance is below ``edge`` to 0 where it is above."""
    return np.asarray(1 / (1 + np.exp(np.clip((distance - edge) / softness, -30, 30))), dtype=np.float32)


def box(centre: tuple[float, float], height: float, width: float, angle: float = 0.0) -> Image:
    """Draw a rectangle about a centre, its sides in pixels, turned by an angle in radians."""
    y, x = grid()
    dy, dx = y - centre[0], x - centre[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return within(np.maximum(np.abs(across) - height / 2, np.abs(along) - width / 2), 0.0, 0.4)


@lru_cache(maxsize=8)
def _falloff(power: float, size: int) -> Image:
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1.0
    return np.asarray(frequency ** (-power), dtype=np.float32)


def coloured_noise(rng: np.random.Generator, power: float = 1.0, size: int = SIZE) -> Image:
    """Draw noise whose amplitude falls with frequency to a power, mean 0, spread 1, (size, size)."""
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) * _falloff(power, size)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def flat(colour: Colour) -> Image:
    """Fill a picture (64, 64, C) with one colour."""
    return np.broadcast_to(np.array(colour, dtype=np.float32), (SIZE, SIZE, len(colour))).copy()


def lay(image: Image, colour: Image | Colour, alpha: Image) -> Image:
    """Lay a colour, one for all or one per pixel, over an image (64, 64, C) where ``alpha`` (64, 64) is."""
    over = np.asarray(colour, dtype=np.float32)
    return np.asarray(image + alpha[..., None] * (over - image), dtype=np.float32)


def seen(alpha: Image) -> Mask:
    """Say which pixels something of an opacity covers."""
    return np.asarray(alpha > SEEN)


def lay_parts(
    image: Image, parts: Iterable[tuple[str, Colour, Image]], factors: Collection[str]
) -> tuple[Image, dict[str, Mask]]:
    """Lay over an image, in turn, those parts (name, colour, opacity) that are among the factors.

    Returns
    -------
    The image (64, 64, C), and which pixels each part covers, (64, 64) by its name.
    """
    masks = {}
    for name, colour, alpha in parts:
        if name in factors:
            image, masks[name] = lay(image, colour, alpha), seen(alpha)
    return image, masks
