"""Whether a facet keeps to places of the picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance

#: Cells along each axis, by the number of axes; and how deep the frame is, and what is near, as shares.
_GRIDS: Mapping[int, int] = {1: 32, 2: 8, 3: 4}
_FRAME, _NEAR = 0.08, 0.1


def _entropy(cells: NDArray[np.int64]) -> float:
    counts = np.bincount(cells)
    shares = counts[counts > 0] / len(cells)
    return float(-(shares * np.log(shares)).sum())


def _cells(centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Say in which cell of a coarse grid each centre lies."""
    axes = centres.shape[1]
    grid = _GRIDS[axes]
    cells = np.minimum((centres * grid).astype(np.int64), grid - 1)
    return np.asarray(cells @ grid ** np.arange(axes)[::-1])


def position_lock(
    centres: NDArray[np.float64], pool: NDArray[np.float64], rng: np.random.Generator
) -> Signal:
    """Say how much more fixed in place a facet is than windows in general.

    Parameters
    ----------
    centres
        Window centres (n, axes) as shares of the sample's sides, 0 to 1.
    pool
        The same for the windows of all facets: what the model looks at anyway.
    rng
        Draws the null: subsets of the pool of the facet's size.

    Returns
    -------
    1 - entropy / entropy of equally large subsets of the pool: 1 = always the same place, 0 = as anywhere.
    """
    found, around = _cells(centres), _cells(pool)
    size = min(len(found), len(around))
    draws = (rng.choice(len(around), size, replace=False) for _ in range(PERMUTATIONS))
    null = np.array([_entropy(around[draw]) for draw in draws])
    usual = float(null.mean())
    if usual <= 0:  # everything lies at one place: nothing can be more fixed than the rest
        return Signal(0.0, 1.0)
    value = 1 - _entropy(found) / usual
    return Signal(float(np.clip(value, 0, 1)), exceedance(value, 1 - null / usual))


def corner_lock(centres: NDArray[np.float64], pool: NDArray[np.float64], rng: np.random.Generator) -> Signal:
    """Say how much more fixed in place a facet is than windows in general, mirrored places being one.

    Parameters and range as :func:`position_lock`, which it joins for marks that any of four corners may
    carry: centres are folded into one corner before they are counted.
    """
    return position_lock(_folded(centres), _folded(pool), rng)


def _folded(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.minimum(centres, 1 - centres))


def off_centre(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the distance of each centre (n, axes) from the middle of its sample, 0 to .71 in a picture."""
    return np.asarray(np.linalg.norm(centres - 0.5, axis=1))


def in_frame(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share of each box (n, 2 axes), in shares of the sample, that lies in its outer 8 %, 0 to 1."""
    low, high = np.split(boxes, 2, axis=1)
    inside = np.prod(np.maximum(np.minimum(high, 1 - _FRAME) - np.maximum(low, _FRAME), 0), axis=1)
    return np.asarray(1 - inside / np.prod(high - low, axis=1))


def crowding(
    centres: NDArray[np.float64], pool: NDArray[np.float64], *, own: bool = False
) -> NDArray[np.float64]:
    """Say how many of the pool's centres (m, axes) lie near each centre (n, axes), as shares of the pool.

    Near is a normal kernel of a tenth of the picture. With ``own`` the centres are the pool's, and none
    counts for itself.
    """
    squares = ((centres[:, None] - pool[None]) ** 2).sum(axis=2)
    near = np.exp(-squares / (2 * _NEAR**2))
    if own:
        np.fill_diagonal(near, 0)
    return np.asarray(near.sum(axis=1) / max(len(pool) - own, 1))
