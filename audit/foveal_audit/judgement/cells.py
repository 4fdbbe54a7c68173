"""What lies in the cells of a coarse grid over a sample: described without any model, by number of axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values, axes_of
from foveal_audit.spans import Span
from foveal_audit.units.appearance import resize_crop

Floats = NDArray[np.float32]

#: Pixels and voxels along a cell.
_STEP = 4


@dataclass(frozen=True)
class Grid:
    """How samples of some number of axes are described.

    Attributes
    ----------
    cells
        Along each axis.
    width
        Numbers per cell.
    describe
        From samples (*S, C) and the values that count as 0 and 1 to float32 (n, *cells, width).
    """

    cells: int
    width: int
    describe: Callable[[Iterable[Values], Span], Floats]


def _moments(samples: Iterable[Values], span: Span) -> Floats:
    """Describe traces: level, spread, range and steepness of every cell, and how its last half differs.

    Taken at full rate, as beats and clicks are shorter than a cell; over the channels their mean, but of the
    level, which is of the first channel.
    """
    return np.stack([_moments_of(span.shares(values)) for values in samples])


def _moments_of(shares: Floats) -> Floats:
    cells = GRIDS[1].cells
    edges = np.linspace(0, len(shares), cells + 1).astype(np.int64)
    steep = np.abs(np.diff(shares, axis=0, append=shares[-1:]))
    found = [
        _cell_of(shares[low : max(high, low + 1)], steep[low : max(high, low + 1)])
        for low, high in zip(np.minimum(edges[:-1], len(shares) - 1), edges[1:], strict=True)
    ]
    return np.array(found, dtype=np.float32)


def _cell_of(part: Floats, steep: Floats) -> list[float]:
    half = len(part) // 2
    turned = part[half:].mean(axis=0) - part[: max(half, 1)].mean(axis=0)
    return [
        float(part[:, 0].mean()),
        float(part.std(axis=0).mean()),
        float(np.ptp(part, axis=0).mean()),
        float(steep.mean()),
        float(turned.mean()),
    ]


def _colours(samples: Iterable[Values], span: Span) -> Floats:
    """Describe pictures: colour, contrast and four directions of the lines of every cell, and all of them."""
    colour = np.stack([_three(resize_crop(values, 4 * GRIDS[2].cells, span)) for values in samples])
    grey = colour.mean(axis=1)
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    turn = (np.arctan2(down, right) % np.pi) * 4 / np.pi
    near = [
        np.maximum(0, 1 - np.minimum(np.abs(turn - k), 4 - np.abs(turn - k))) * strength for k in range(4)
    ]
    lines = _per_cell(np.stack(near, axis=1), 2)
    contrast = np.sqrt(np.maximum(_per_cell(grey**2, 2) - _per_cell(grey, 2) ** 2, 0))
    parts = [_per_cell(colour, 2), contrast[:, None], lines, lines.sum(axis=1, keepdims=True)]
    return np.moveaxis(np.concatenate(parts, axis=1), 1, 3)


def _three(picture: Floats) -> Floats:
    """Give a picture (3, h, w); of others than colour pictures the first channel three times."""
    return picture[:3] if len(picture) >= 3 else np.repeat(picture[:1], 3, axis=0)


def _tissues(samples: Iterable[Values], span: Span) -> Floats:
    """Describe volumes: level, contrast and how steep every cell is along each axis, and over all."""
    small = np.stack([resize_crop(values, 4 * GRIDS[3].cells, span) for values in samples]).mean(axis=1)
    slopes = np.abs(np.stack(np.gradient(small, axis=(1, 2, 3)), axis=1))
    along = _per_cell(slopes, 3)
    level = _per_cell(small, 3)
    contrast = np.sqrt(np.maximum(_per_cell(small**2, 3) - level**2, 0))
    parts = [level[:, None], contrast[:, None], along, along.sum(axis=1, keepdims=True)]
    return np.moveaxis(np.concatenate(parts, axis=1), 1, -1)


def _per_cell(planes: Floats, axes: int) -> Floats:
    """Take the means of the cells of planes (..., *s), of as many axes."""
    cells = planes
    for axis in reversed(range(planes.ndim - axes, planes.ndim)):
        before = (slice(None),) * axis
        cells = reduce(np.add, [cells[(*before, slice(step, None, _STEP))] for step in range(_STEP)])
    return np.asarray(cells / np.float32(_STEP**axes), dtype=np.float32)


#: By the number of axes.
GRIDS: Mapping[int, Grid] = {
    1: Grid(64, 5, _moments),
    2: Grid(16, 9, _colours),
    3: Grid(8, 6, _tissues),
}


def grid_of(values: Values) -> Grid:
    """Give the grid of a sample (*S, C)."""
    return GRIDS[axes_of(values)]
