"""Bring crops to a common size, whatever number of axes they have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

#: Axes longer than so many times their new length are averaged down before they are weighted.
_LONG = 8


def resized(values: Floats, sides: Sequence[int]) -> Floats:
    """Resize linearly; where an axis gets shorter, all that lies below a new place counts.

    Parameters
    ----------
    values
        float32 (*s, C).
    sides
        New length of each axis.

    Returns
    -------
    float32 (C, *sides).
    """
    if len(sides) == 2:  # pictures as Pillow resizes them, whose numbers bundles hold
        return _by_pillow(values, sides)
    for axis, side in enumerate(sides):
        if values.shape[axis] > _LONG * side:
            values = _averaged(values, axis, _LONG * side)
        weights = _weights(values.shape[axis], side)
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float32)


def _by_pillow(values: Floats, sides: Sequence[int]) -> Floats:
    size = (sides[1], sides[0])
    planes = [
        np.asarray(Image.fromarray(values[..., channel]).resize(size, Image.Resampling.BILINEAR))
        for channel in range(values.shape[2])
    ]
    return np.stack(planes)


def _averaged(values: Floats, axis: int, parts: int) -> Floats:
    """Average an axis down to so many parts of all but equal length."""
    starts = np.arange(parts) * values.shape[axis] // parts
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float64)
    lengths = np.diff(np.append(starts, values.shape[axis]))
    return np.asarray(sums / lengths.reshape(-1, *[1] * (values.ndim - 1 - axis)), dtype=np.float32)


@lru_cache(maxsize=64)
def _weights(length: int, side: int) -> Floats:
    """Weights (side, length) of a triangle as wide as a new place, or as an old one where that is wider."""
    scale = length / side
    reach = max(scale, 1.0)
    centres = (np.arange(side) + 0.5) * scale
    apart = np.abs(np.arange(length) + 0.5 - centres[:, None])
    weights = np.maximum(0, 1 - apart / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
