"""The door: what a library of crops must look like before anything is learned from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.float32]  #: (n, C, *s) in [0, 1], s one to three sides: (t), (h, w) or (d, h, w)
Latents = NDArray[np.float32]  #: (n, d)
Shape = tuple[int, ...]  #: C, *s
SMALLEST_SIDE = 8
MOST_AXES = 3


def as_crops(crops: NDArray[np.floating]) -> Crops:
    """Check a stack of crops and return it as float32.

    Parameters
    ----------
    crops
        (n, C, *s), finite, in [0, 1], one to three sides of at least 8 places.

    Raises
    ------
    ValueError
        Wrong rank, a side below 8, values that are not finite or outside [0, 1].
    """
    stack = np.asarray(crops, dtype=np.float32)
    if not 1 <= stack.ndim - 2 <= MOST_AXES:
        raise ValueError(f"crops must be (n, channels, one to three sides), got shape {stack.shape}")
    if min(stack.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(f"crops need sides of at least {SMALLEST_SIDE}, got {stack.shape[2:]}")
    if stack.size and not (np.isfinite(stack).all() and stack.min() >= 0 and stack.max() <= 1):
        raise ValueError("crops must be finite and lie in [0, 1]")
    return np.ascontiguousarray(stack)


def flat(crops: Crops) -> NDArray[np.float64]:
    """Lay each crop out as one row, in double precision for distances and eigenvectors."""
    return crops.reshape(len(crops), -1).astype(np.float64)


def shape_of(crops: Crops) -> Shape:
    """Give (C, *s) of a stack of crops."""
    return crops.shape[1:]
