"""Which features to examine: those whose libraries differ most from each other.

Two features that pick out the same places of the same samples are one feature twice. A library is described
by the places that its windows cover; libraries are chosen so that the smallest difference between any two is
as large as possible (claim 10 of the patent). Farthest-first selection reaches at least half of the best that
can be had (Gonzalez 1985; Ravi, Rosenkrantz and Tayi 1994); exchanges then improve it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from foveal_audit.windows import Samples, Windows

#: Samples are compared on a grid of this many cells a side, by their number of axes: 64 cells.
_GRIDS: Mapping[int, int] = {1: 64, 2: 8, 3: 4}


def library_differences(libraries: Sequence[Windows], samples: Samples) -> NDArray[np.float64]:
    """Say how much libraries differ in what they picked out.

    Parameters
    ----------
    libraries
        Windows of each feature; crops are not looked at.
    samples
        What they were found in.

    Returns
    -------
    float64 (n, n), 0 to 1: 0 where two libraries cover the same places of the same samples equally, 1 where
    they have no place in common. The root of 1 - cosine of what they cover, which is a metric.
    """
    if not libraries:
        return np.zeros((0, 0))
    covered = vstack([_covered(windows, samples) for windows in libraries], format="csr")
    lengths = np.sqrt(covered.multiply(covered).sum(axis=1))
    unit = diags_array(1 / np.maximum(lengths, 1e-12)) @ covered
    difference = np.sqrt(np.clip(1 - (unit @ unit.T).toarray(), 0, 1))
    np.fill_diagonal(difference, 0)
    return np.asarray(difference, dtype=np.float64)


def _covered(windows: Windows, samples: Samples) -> csr_array:
    """Say what share of each cell of each sample is covered, (1, samples * cells), at most 1."""
    axes, sizes = windows.axes, windows.sides(samples)
    grid = _GRIDS[axes]
    shares, cells = np.ones((len(windows), 1)), grid**axes
    for axis in range(axes):
        along = _shares(windows.boxes[:, axis], windows.boxes[:, axes + axis], sizes[:, axis], grid)
        shares = (shares[:, :, None] * along[:, None, :]).reshape(len(windows), grid ** (axis + 1))
    columns = windows.owner[:, None] * cells + np.arange(cells)
    some = shares > 0
    shape = (1, len(samples) * cells)
    rows = np.zeros(int(some.sum()), dtype=np.int64)
    covered = csr_array((shares[some], (rows, columns[some])), shape=shape)
    covered.sum_duplicates()
    covered.data = np.minimum(covered.data, 1)
    return covered


def _shares(
    first: NDArray[np.int64], last: NDArray[np.int64], length: NDArray[np.float64], grid: int
) -> NDArray[np.float64]:
    """Say what share of each of the grid's stripes the intervals first to last cover, (n, grid)."""
    begin, end = (edge[:, None] / length[:, None] * grid for edge in (first, last))
    stripe = np.arange(grid)
    covered = np.minimum(end, stripe + 1) - np.maximum(begin, stripe)
    return np.asarray(np.clip(covered, 0, 1), dtype=np.float64)


def most_different(difference: NDArray[np.float64], number: int, kept: Sequence[int] = (0,)) -> list[int]:
    """Choose items so that the smallest difference between any two of them is large.

    Parameters
    ----------
    difference
        float64 (n, n), symmetric, a metric.
    number
        How many to choose; all where there are not more.
    kept
        Chosen in any case, at least one.

    Returns
    -------
    Positions, those kept first. The smallest difference is at least half of the largest that any choice with
    `kept` can have, and no exchange of one item makes it larger.
    """
    chosen, number = list(kept), min(number, len(difference))
    while len(chosen) < number:
        nearest = difference[:, chosen].min(axis=1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    while better := _exchanged(difference, chosen, len(kept)):
        chosen = better
    return chosen


def _exchanged(difference: NDArray[np.float64], chosen: list[int], kept: int) -> list[int] | None:
    """Exchange one of the closest pair if that moves the closest pair apart."""
    if len(chosen) < 2:
        return None
    among = difference[np.ix_(chosen, chosen)] + np.diag(np.full(len(chosen), np.inf))
    smallest = among.min()
    for place in sorted({*np.unravel_index(among.argmin(), among.shape)} - set(range(kept))):
        rest = chosen[:place] + chosen[place + 1 :]
        nearest = difference[:, rest].min(axis=1)
        nearest[chosen] = -1
        new = int(nearest.argmax())
        left = min((difference[a, b] for n, a in enumerate(rest) for b in rest[:n]), default=np.inf)
        if min(nearest[new], left) > smallest + 1e-12:
            return [*chosen[:place], new, *chosen[place + 1 :]]
    return None
