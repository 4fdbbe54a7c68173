"""How crops rise and fall, place by place: a description of their shape that no model had a part in.

One histogram of slopes per cell of a crop (Dalal and Triggs 2005, of pictures; Klaeser et al. 2008, of three
axes). What a slope is called depends on the number of axes: its sign, its orientation, or the nearest of
thirteen directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Orientations in a picture, and side of a cell, of histograms of slopes; what keeps their lengths off 0; and
#: by the number of axes the share of a histogram's length above which no slope counts for more.
_TURNS, _CELL = 8, 8
_TINY = 1e-5
_MOST: Mapping[int, float] = {1: 0.2, 2: 0.2, 3: 0.5}
#: Steps, in samples of a trace at the common size, over which its rises and falls are taken.
_STEPS = (1, 4)
#: Directions in space, one of each opposite pair: towards the neighbours of a cube.
_DIRECTIONS = np.array(
    [
        way
        for way in np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3).tolist()
        if way > [0, 0, 0]
    ],
    dtype=np.float32,
)


def rises(crops: Floats) -> Floats:
    """Describe traces (n, C, 64) by how much each rises and falls in cells of eight, fast and slowly.

    Returns
    -------
    float32 (n, 32 C), square-rooted; a crop's channels are scaled each by itself, all cells together: a cell
    where nothing happens must not count like one with a beat.
    """
    number, channels, side = crops.shape
    moved = []
    for step in _STEPS:
        slope = np.zeros_like(crops)
        slope[..., step:] = crops[..., step:] - crops[..., :-step]
        cells = slope.reshape(number, channels, side // _CELL, _CELL)
        moved += [np.maximum(cells, 0).mean(axis=3), np.maximum(-cells, 0).mean(axis=3)]
    described = np.stack(moved, axis=3).reshape(number, channels, -1)
    return np.asarray(np.sqrt(_clipped(described, 1)).reshape(number, -1), dtype=np.float32)


def turns(crops: Floats) -> Floats:
    """Describe pictures (n, C, 32, 32) by oriented gradients in 16 cells, (n, 128), square-rooted.

    Each cell is normalised by itself (L2-Hys): what ``skimage.feature.hog`` gives, of many crops at once.
    """
    grey = crops.mean(axis=1)
    side = grey.shape[2]
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(right, down, dtype=np.float64)
    turn = np.rad2deg(np.arctan2(down, right, dtype=np.float64)) % 180
    bins = np.minimum((turn / (180 / _TURNS)).astype(np.int64), _TURNS - 1)
    return _told(bins, strength, _TURNS, side)


def directions(crops: Floats) -> Floats:
    """Describe volumes (n, C, 16, 16, 16) by the directions of their slopes in 8 cells, (n, 104)."""
    grey = crops.mean(axis=1)
    slopes = np.stack(np.gradient(grey, axis=(1, 2, 3)), axis=-1)
    strength = np.linalg.norm(slopes.astype(np.float64), axis=-1)
    ways = _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
    nearest = np.abs(slopes @ ways.T).argmax(axis=-1)
    return _told(nearest, strength, len(ways), grey.shape[1])


def _told(bins: NDArray[np.int64], strength: NDArray[np.float64], kinds: int, side: int) -> Floats:
    """Count slopes of each kind in cells of eight along each axis, (n, cells * kinds)."""
    number, axes = len(bins), bins.ndim - 1
    many = side // _CELL
    places = np.indices((side,) * axes) // _CELL
    cells = np.ravel_multi_index(tuple(places), (many,) * axes)
    numbered = cells + many**axes * np.arange(number).reshape(-1, *[1] * axes)
    size = number * many**axes * kinds
    counted = np.bincount((numbered * kinds + bins).ravel(), strength.ravel(), size)
    histograms = counted.reshape(number, many**axes, kinds) / _CELL**axes
    return np.asarray(np.sqrt(_clipped(histograms, axes).reshape(number, -1)), dtype=np.float32)


def _clipped(histograms: NDArray[np.floating], axes: int) -> NDArray[np.floating]:
    """Scale histograms to unit length, cut what stands out, and scale them again."""
    for most in (_MOST[axes], np.inf):
        length = np.sqrt((histograms**2).sum(axis=-1, keepdims=True) + _TINY**2)
        histograms = np.minimum(histograms / length, most)
    return histograms


#: By the number of axes.
SLOPES: Mapping[int, Callable[[Floats], Floats]] = {1: rises, 2: turns, 3: directions}
#: Numbers per crop, per channel of a trace.
WIDTHS: Mapping[int, int] = {1: 32, 2: 128, 3: 104}
