"""A large image by tiles: where they lie, and their maps put together into one.

Tiles overlap. Where several maps cover a place they are averaged, each with a weight that falls off towards
its tile's rim, where a network sees least around. Memory is that of the map that is made, never of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.records import Window

Floats = NDArray[np.float64]

#: Cells of a map of the whole image at most; of larger images the cells grow.
MAX_CELLS = 2**22
#: Weight at a tile's rim, of that in its middle.
_RIM = 0.02


def tile_windows(sides: tuple[int, ...], tile: tuple[int, ...], overlap: int) -> Iterator[Window]:
    """Give the windows of the tiles that cover a sample, in reading order.

    Parameters
    ----------
    sides
        Sides of the sample.
    tile
        Sides of a tile; of a sample that is smaller, its own.
    overlap
        Steps that neighbours share at least.

    Raises
    ------
    UsageError
        If the overlap leaves nothing of a tile.
    """
    check_overlap(min(tile), overlap)
    axes = [_starts(side, min(side, length), overlap) for side, length in zip(sides, tile, strict=True)]
    lengths = tuple(min(side, length) for side, length in zip(sides, tile, strict=True))
    for starts in product(*axes):
        yield (*starts, *(start + length for start, length in zip(starts, lengths, strict=True)))


def check_overlap(side: int, overlap: int) -> None:
    """Refuse an overlap that leaves nothing of a tile."""
    if not 0 <= overlap < side:
        raise UsageError(f"Tiles of {side} cannot share {overlap}", f"Give an overlap from 0 to {side - 1}")


def _starts(side: int, length: int, overlap: int) -> list[int]:
    """Spread tiles evenly from the first step to the last."""
    if side == length:
        return [0]
    number = ceil((side - overlap) / max(1, length - overlap))
    return [round(one * (side - length) / (number - 1)) for one in range(number)]


class Stitcher:
    """Puts the maps of tiles together, (h, w).

    Parameters
    ----------
    sides
        Height and width of the whole image.
    cell
        Pixels of it below one cell of a tile's map.
    """

    def __init__(self, sides: tuple[int, int], cell: float) -> None:
        self._sides = sides
        cell = max(cell, sqrt(sides[0] * sides[1] / MAX_CELLS))
        shape = tuple(max(1, round(side / cell)) for side in sides)
        self._sum, self._weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def add(self, map: NDArray[np.floating], window: Window) -> None:  # noqa: A002 - the design's word
        """Add a tile's map (h, w), which covers the window."""
        axes = [self._axis(axis, cells, window) for axis, cells in enumerate(map.shape)]
        (rows, down, heights), (columns, across, widths) = axes
        weight = np.outer(heights, widths)
        place = (rows, columns)
        self._sum[place] += weight * (down @ map.astype(np.float64) @ across.T)
        self._weight[place] += weight

    def map(self) -> NDArray[np.float32]:
        """Give the map of the whole image; 0 where no tile was."""
        return np.divide(self._sum, self._weight, out=np.zeros_like(self._sum), where=self._weight > 0)

    def _axis(self, axis: int, cells: int, window: Window) -> tuple[slice, Floats, Floats]:
        """Give the cells of the whole in a tile along an axis, what they see of it, and their weights."""
        count, side = self._sum.shape[axis], self._sides[axis]
        start, stop = window[axis], window[axis + 2]
        centres = (np.arange(count) + 0.5) * side / count
        inside = np.nonzero((centres >= start) & (centres < stop))[0]
        if not len(inside):  # a tile smaller than a cell
            inside = np.array([min(count - 1, int((start + stop) / 2 * count / side))])
        share = np.clip((centres[inside] - start) / (stop - start), 0, 1)
        weights = _RIM + (1 - _RIM) * (1 - np.abs(2 * share - 1))
        return slice(int(inside[0]), int(inside[-1]) + 1), _interpolating(share * cells - 0.5, cells), weights


def _interpolating(places: Floats, cells: int) -> Floats:
    """Weights (n, cells) of linear interpolation at places counted in cells; constant beyond them."""
    clipped = np.clip(places, 0, cells - 1)
    lower = np.minimum(clipped.astype(np.intp), max(cells - 2, 0))
    weights = np.zeros((len(places), cells))
    rows = np.arange(len(places))
    weights[rows, lower] = 1 - (clipped - lower)
    weights[rows, np.minimum(lower + 1, cells - 1)] += clipped - lower
    return weights
