"""The door: what a library of crops must look like before anything is learned from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.float32]  #: (n, C, h, w) in [0, 1]
Latents = NDArray[np.float32]  #: (n, d)
Shape = tuple[int, int, int]  #: C, h, w
SMALLEST_SIDE = 8


def as_crops(crops: NDArray[np.floating]) -> Crops:
    """Check a stack of crops and return it as float32.

    Parameters
    ----------
    crops
        (n, C, h, w), finite, in [0, 1], sides of at least 8 pixels.

    Raises
    ------
    ValueError
        Wrong rank, a side below 8 px, values that are not finite or outside [0, 1].
    """
    stack = np.asarray(crops, dtype=np.float32)
    if stack.ndim != 4:
        raise ValueError(f"crops must be (n, channels, height, width), got shape {stack.shape}")
    if min(stack.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(f"crops need sides of at least {SMALLEST_SIDE} pixels, got {stack.shape[2:]}")
    if stack.size and not (np.isfinite(stack).all() and stack.min() >= 0 and stack.max() <= 1):
        raise ValueError("crops must be finite and lie in [0, 1]")
    return np.ascontiguousarray(stack)


def flat(crops: Crops) -> NDArray[np.float64]:
    """Lay each crop out as one row, in double precision for distances and eigenvectors."""
    return crops.reshape(len(crops), -1).astype(np.float64)


def shape_of(crops: Crops) -> Shape:
    """Give (C, h, w) of a stack of crops."""
    _, channels, height, width = crops.shape
    return channels, height, width
