"""Textured tissue: noise on several scales and a few vessels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom


def tissue(
    rng: np.random.Generator, size: int, scales: tuple[int, ...] = (2, 4, 8, 16)
) -> NDArray[np.float32]:
    """Make a square of tissue.

    Parameters
    ----------
    rng
        Source of chance.
    size
        Side in pixels.
    scales
        Grain sizes in pixels; vessels are added where more than one is given.

    Returns
    -------
    float32 (size, size), roughly 0 to 1.
    """
    total = np.zeros((size, size), dtype=np.float32)
    for scale in scales:
        side = -(-size // scale) + 1
        grain = rng.uniform(0, 1, (side, side)).astype(np.float32)
        total += zoom(grain, size / side, order=1, grid_mode=True, mode="nearest")
    total /= len(scales)
    return total + _vessels(rng, size) if len(scales) > 1 else total


def _vessels(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Draw two to four faint curved lines across the square."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    image = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.integers(2, 5))):
        angle, offset, bend = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5), rng.uniform(-0.25, 0.25)
        along = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        across = -np.sin(angle) * (x - 0.5) + np.cos(angle) * (y - 0.5) - offset - bend * np.sin(3 * along)
        width = rng.uniform(0.008, 0.018)
        image += rng.uniform(0.15, 0.35) * np.exp(-((across / width) ** 2)).astype(np.float32)
    return image
