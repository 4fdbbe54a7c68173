"""One axis of a sample laid over one axis of a grid: what each place of a window sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Places per window side at least: on large samples the window moves by more than a pixel.
_PLACES_PER_SIDE = 16
#: Numbers in a matrix that is kept for the next sample of the same size; those of squares are far smaller.
_LARGEST_KEPT = 2**15
#: Numbers in a matrix of which the last few are kept: those of traces on fine grids.
_LARGEST_RECENT = 2**17
#: Numbers in a matrix of weights at most; longer axes are interpolated step by step.
_DENSE = 2**24


@dataclass(frozen=True, eq=False)
class Ruler:
    """One axis of the search: what every place of the window sees of the grid.

    `box` (places, cells) adds up the interpolated pixels below the window, `tent` does so with weights that
    fall off from its middle, `whole` (cells,) adds up the whole axis. `starts` are the places in pixels.
    """

    cells: int
    pixels: int
    side: int
    starts: NDArray[np.intp]
    box: Floats
    tent: Floats
    whole: Floats


def ruler(cells: int, pixels: int, side: int, longest: int) -> Ruler:
    """Make an axis, or take it from those that are kept."""
    parts = min(pixels, longest)
    places = parts / _step(side * parts // pixels)
    size = places * cells
    make = _kept_axis if size <= _LARGEST_KEPT else _recent_axis if size <= _LARGEST_RECENT else _made_axis
    return make(cells, pixels, side, longest)


def _made_axis(cells: int, pixels: int, side: int, longest: int) -> Ruler:
    """Make an axis, on the coarser ruler where it is long."""
    if pixels <= longest:
        return _fine_axis(cells, pixels, side)
    coarse = _fine_axis(cells, longest, max(1, round(side * longest / pixels)))
    part = pixels / longest
    middles = (coarse.starts + coarse.side / 2) * part
    starts = np.clip(np.rint(middles - side / 2).astype(np.intp), 0, pixels - side)
    inside = side / (coarse.side * part)  # share of the window in the parts that were added up for it
    return Ruler(cells, pixels, side, starts, coarse.box * inside, coarse.tent * inside, coarse.whole)


_kept_axis = lru_cache(maxsize=64)(_made_axis)
_recent_axis = lru_cache(maxsize=2)(_made_axis)


def _step(side: int) -> int:
    """Say by how many pixels a window moves."""
    return max(1, side // _PLACES_PER_SIDE)


def _fine_axis(cells: int, pixels: int, side: int) -> Ruler:
    """Make an axis from the weights of every pixel."""
    weights = _interpolation(cells, pixels)
    starts = np.unique(np.append(np.arange(0, pixels - side + 1, _step(side)), pixels - side))
    sums = _running(weights)
    moments = _running(weights * np.arange(pixels)[:, None])
    box = sums[starts + side] - sums[starts]
    return Ruler(cells, pixels, side, starts, box, _tent(sums, moments, starts, side), sums[-1])


def _interpolation(cells: int, pixels: int) -> Floats:
    """Weights (pixels, cells) of interpolation between cell centres, constant beyond the outermost.

    Fewer pixels than cells average the cells below them: a point between two centres sees no other cell, and
    a map whose mass lies in one that no pixel sees would have none.
    """
    if pixels < cells:
        return _shares(cells, pixels)
    lower, part = _between(cells, pixels)
    weights = np.zeros((pixels, cells))
    weights[np.arange(pixels), lower] = 1 - part
    weights[np.arange(pixels), np.minimum(lower + 1, cells - 1)] += part
    return weights


def _between(cells: int, pixels: int) -> tuple[NDArray[np.intp], Floats]:
    """Say after which cell's centre each pixel lies, and how far towards the next one's."""
    centres = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    lower = np.minimum(centres.astype(np.intp), max(cells - 2, 0))
    return lower, centres - lower


def _shares(cells: int, pixels: int) -> Floats:
    """Weights (pixels, cells) of the cells below each pixel, by the part of it that each covers."""
    edges, starts = np.arange(pixels + 1)[:, None] * cells / pixels, np.arange(cells)
    covered = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    shares: Floats = covered.clip(min=0) * pixels / cells
    return shares


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _tent(sums: Floats, moments: Floats, starts: NDArray[np.intp], side: int) -> Floats:
    """Add up pixels p of each window with weight 1 - |p - middle| / (side / 2), from running sums."""
    middle = starts + (side - 1) / 2
    half = starts + (side + 1) // 2
    left = middle[:, None] * (sums[half] - sums[starts]) - (moments[half] - moments[starts])
    right = (moments[starts + side] - moments[half]) - middle[:, None] * (sums[starts + side] - sums[half])
    distance: Floats = left + right
    return sums[starts + side] - sums[starts] - distance / (side / 2)


def resampled(values: Floats, axis: int, size: int) -> Floats:
    """Interpolate along one axis, without a matrix where it would be too large."""
    cells = values.shape[axis]
    if cells * size <= _DENSE:
        return along(values, axis, _interpolation(cells, size))
    by_step = _averaged if size < cells else _interpolated
    return np.moveaxis(by_step(np.moveaxis(values, axis, -1), size), -1, axis)


def _interpolated(values: Floats, size: int) -> Floats:
    """Interpolate along the last axis, step by step; see :func:`_interpolation`."""
    lower, part = _between(values.shape[-1], size)
    upper = np.minimum(lower + 1, values.shape[-1] - 1)
    between: Floats = values[..., lower] * (1 - part) + values[..., upper] * part
    return between


def _averaged(values: Floats, size: int) -> Floats:
    """Average along the last axis, by the part of each cell that lies below a step; see :func:`_shares`."""
    cells = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    edges = np.arange(size + 1) * (cells / size)
    whole = np.minimum(edges.astype(np.intp), cells - 1)
    upto = sums[..., whole] + values[..., whole] * (edges - whole)
    averaged: Floats = np.diff(upto, axis=-1) * (size / cells)
    return averaged


def along(values: Floats, axis: int, weights: Floats) -> Floats:
    """Multiply one axis with a matrix (out, in)."""
    if axis == 0:
        product = weights @ values.reshape(len(values), -1)
        return product.reshape(len(weights), *values.shape[1:])
    if axis == values.ndim - 1:
        return values @ weights.T
    return weights @ values  # the middle one of three: a product for every layer
