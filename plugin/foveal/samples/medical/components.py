"""Connected parts of a mask, found with arrays alone: the serving worker has no image library but Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Components:
    """Parts of a mask that hang together, diagonally too, one position each.

    Attributes
    ----------
    boxes
        int64 (n, 4): y0, x0, y1, x1, half open.
    area
        int64 (n,): number of pixels.
    rows, columns, owner
        Every marked pixel and the part that it belongs to.
    """

    boxes: Ints
    area: Ints
    rows: Ints
    columns: Ints
    owner: Ints

    def __len__(self) -> int:
        return len(self.area)

    def mean(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Average values (h, w) over the pixels of each part; those that are no number are left out."""
        own = values[self.rows, self.columns]
        known = ~np.isnan(own)
        sums = np.bincount(self.owner[known], own[known], len(self))
        means: NDArray[np.float64] = sums / np.maximum(np.bincount(self.owner[known], minlength=len(self)), 1)
        return means


def find_components(mask: NDArray[np.bool_]) -> Components:
    """Find the parts of a mask (h, w) that hang together."""
    runs = _runs(mask)
    parts = joined(len(runs), _touching(runs))
    _, owner_of_run = np.unique(parts, return_inverse=True)
    length = runs[:, 2] - runs[:, 1]
    rows, columns = np.nonzero(mask)
    count = int(owner_of_run.max(initial=-1)) + 1
    boxes = around(np.column_stack([runs[:, :2], runs[:, 0] + 1, runs[:, 2]]), owner_of_run, count)
    area = np.bincount(owner_of_run, length, count).astype(np.int64)
    return Components(boxes, area, rows, columns, np.repeat(owner_of_run, length))


def around(boxes: Ints, owner: Ints, count: int) -> Ints:
    """Give the box around all boxes (n, 4) of each of `count` owners."""
    hulls = np.zeros((count, 4), np.int64)
    hulls[:, :2] = np.iinfo(np.int64).max
    np.minimum.at(hulls[:, :2], owner, boxes[:, :2])
    np.maximum.at(hulls[:, 2:], owner, boxes[:, 2:])
    return hulls


def _runs(mask: NDArray[np.bool_]) -> Ints:
    """List unbroken stretches of rows: row, first column, column after the last, in reading order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, stops = np.nonzero(edges == -1)
    return np.stack([rows, starts, stops], axis=1).astype(np.int64)


def _touching(runs: Ints) -> Ints:
    """Pair every run with those of the row below that touch it, diagonally too."""
    if not len(runs):
        return np.zeros((0, 2), np.int64)
    wide = int(runs[:, 2].max()) + 2
    starts, stops = runs[:, 0] * wide + runs[:, 1], runs[:, 0] * wide + runs[:, 2]
    first = np.searchsorted(stops, starts + wide, side="left")
    last = np.searchsorted(starts, stops + wide, side="right")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(runs)), counts)
    lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return np.stack([upper, lower], axis=1)


def joined(count: int, pairs: Ints) -> Ints:
    """Give each of `count` things the smallest number of those that pairs join it to."""
    label = np.arange(count)
    while True:
        before = label.copy()
        smaller = np.minimum(label[pairs[:, 0]], label[pairs[:, 1]])
        for side in (0, 1):
            # The label's own label is lowered too, so that whole parts move at once.
            np.minimum.at(label, before[pairs[:, side]], smaller)
            np.minimum.at(label, pairs[:, side], smaller)
        label = label[label]
        if np.array_equal(label, before):
            return label
