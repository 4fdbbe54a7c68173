"""Whether a facet keeps to places of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance

_GRID = 8
_FRAME, _NEAR = 0.08, 0.1


def _entropy(cells: NDArray[np.int64]) -> float:
    counts = np.bincount(cells, minlength=_GRID**2)
    shares = counts[counts > 0] / len(cells)
    return float(-(shares * np.log(shares)).sum())


def _cells(centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Say in which cell of a coarse grid each centre lies."""
    cells = np.minimum((centres * _GRID).astype(np.int64), _GRID - 1)
    return np.asarray(cells[:, 0] * _GRID + cells[:, 1])


def position_lock(
    centres: NDArray[np.float64], pool: NDArray[np.float64], rng: np.random.Generator
) -> Signal:
    """Say how much more fixed in place a facet is than windows in general.

    Parameters
    ----------
    centres
        Window centres (n, 2) as shares of the sample's height and width, 0 to 1.
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
    carry: centres are folded into one quadrant before they are counted.
    """
    return position_lock(_folded(centres), _folded(pool), rng)


def _folded(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.minimum(centres, 1 - centres))


def off_centre(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the distance of each centre (n, 2) from the middle of its picture, 0 to .71."""
    return np.asarray(np.linalg.norm(centres - 0.5, axis=1))


def in_frame(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share of each box (n, 4), in shares of the picture, that lies in its outer 8 %, 0 to 1."""
    inner = np.concatenate([np.maximum(boxes[:, :2], _FRAME), np.minimum(boxes[:, 2:], 1 - _FRAME)], axis=1)
    inside = np.prod(np.maximum(inner[:, 2:] - inner[:, :2], 0), axis=1)
    return np.asarray(1 - inside / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def crowding(
    centres: NDArray[np.float64], pool: NDArray[np.float64], *, own: bool = False
) -> NDArray[np.float64]:
    """Say how many of the pool's centres (m, 2) lie near each centre (n, 2), as shares of the pool.

    Near is a normal kernel of a tenth of the picture. With ``own`` the centres are the pool's, and none
    counts for itself.
    """
    squares = ((centres[:, None] - pool[None]) ** 2).sum(axis=2)
    near = np.exp(-squares / (2 * _NEAR**2))
    if own:
        np.fill_diagonal(near, 0)
    return np.asarray(near.sum(axis=1) / max(len(pool) - own, 1))
