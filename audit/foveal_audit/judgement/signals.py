"""Signals of irrelevance: each a number per facet and its p-value against a matched null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from foveal_audit.units.appearance import shifted_correlation

#: Permutations behind every null.
PERMUTATIONS = 199
#: Crops of a facet that are compared with each other.
COMPARED = 64
_GRID = 8


@dataclass(frozen=True)
class Signal:
    """A measured signal and how often chance alone reaches it (None where no null fits)."""

    value: float
    p: float | None


def exceedance(value: float, null: NDArray[np.float64]) -> float:
    """Say how often chance alone reaches a value.

    Returns
    -------
    (1 + count) / (1 + size) of the null at or above ``value``. Where the null never comes near, its normal
    tail is taken instead: permutations alone could not tell one in a thousand from one in a billion, which
    the control of false discoveries over many facets needs.
    """
    reached = np.count_nonzero(null >= value)
    counted = (1 + reached) / (1 + len(null))
    if reached or null.std() == 0:
        return float(counted)
    return float(min(counted, max(norm.sf((value - null.mean()) / null.std()), 1e-12)))


def _occupancy_entropy(centres: NDArray[np.float64]) -> float:
    return _entropy(_cells(centres))


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


def stamp_likeness(
    detail: NDArray[np.float32], around: NDArray[np.float32], rng: np.random.Generator
) -> Signal:
    """Say how much the crops of a facet are copies of each other.

    Parameters
    ----------
    detail
        Crops of the facet, float32 (n, 32, 32), without slow shading.
    around
        :func:`shifted_correlation` of crops of all facets; its subsets are the null.
    rng
        Chooses 64 crops and the null's subsets.

    Returns
    -------
    Mean correlation of a crop with its five nearest others, 0 to 1.
    """
    size = min(COMPARED, len(detail), len(around))  # alike: more crops find nearer ones
    chosen = detail[rng.choice(len(detail), size, replace=False)]
    subsets = (rng.choice(len(around), size, replace=False) for _ in range(PERMUTATIONS))
    null = np.array([_nearest_five(around[np.ix_(rows, rows)]) for rows in subsets])
    value = _nearest_five(shifted_correlation(chosen))
    return Signal(float(np.clip(value, 0, 1)), exceedance(value, null))


def _nearest_five(correlation: NDArray[np.float32]) -> float:
    nearest = min(5, len(correlation) - 1)
    return float(np.sort(correlation, axis=1)[:, -nearest:].mean()) if nearest > 0 else 0.0


def cramers_v(present: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Bias-corrected Cramer's V (Bergsma 2013) between presence (n,) and group numbers (n,), 0 to 1."""
    totals = np.bincount(groups)
    shown = np.bincount(groups[present], minlength=len(totals))
    return float(_cramers_v(shown[None], totals)[0])


def _cramers_v(shown: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute V of many tables (p,) that differ in how the present samples fall on the groups.

    Parameters
    ----------
    shown
        int64 (p, groups), the present samples of each group, in each table equally many.
    totals
        int64 (groups,), all samples of each group.
    """
    shown, totals = shown[:, totals > 0], totals[totals > 0]
    sides = np.array([totals.sum() - shown[0].sum(), shown[0].sum()], dtype=np.float64)
    if len(totals) < 2 or not sides.all():
        return np.zeros(len(shown))
    total, rows, columns = sides.sum(), 2, len(totals)
    tables = np.stack([totals - shown, shown], axis=1).astype(np.float64)
    expected = np.outer(sides, totals) / total
    phi = ((tables - expected) ** 2 / expected).reshape(len(shown), -1).sum(axis=1) / total
    phi = np.maximum(0.0, phi - (columns - 1) * (rows - 1) / (total - 1))
    width = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return np.minimum(1.0, np.sqrt(phi / width)) if width > 0 else np.zeros(len(shown))


def conditional_association(
    present: NDArray[np.bool_],
    groups: NDArray[np.int64],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
) -> Signal | None:
    """Say how much a facet's presence depends on a metadata column once the class is known.

    Genuine features follow the class; artefacts keep following the site inside one class.

    Returns
    -------
    Cramer's V averaged over the classes that show the facet, weighted by their size; None where no class
    has two groups and both present and absent samples, so that the question cannot be asked.
    """
    strata = [rows for rows in _strata(classes) if _asks(present[rows], groups[rows])]
    if not strata:
        return None
    weights = np.array([len(rows) for rows in strata], dtype=np.float64)
    # The first table is what was seen, the others are drawn.
    shown = [[_shown(groups[rows], present[rows], groups)] for rows in strata]
    for _ in range(PERMUTATIONS):
        for tables, rows in zip(shown, strata, strict=True):
            tables.append(_shown(groups[rng.permutation(rows)], present[rows], groups))
    values = [
        _cramers_v(np.array(tables), np.bincount(groups[rows], minlength=len(tables[0])))
        for tables, rows in zip(shown, strata, strict=True)
    ]
    pooled = np.average(np.stack(values, axis=1), axis=1, weights=weights)
    return Signal(float(pooled[0]), exceedance(float(pooled[0]), pooled[1:]))


def plain_association(
    present: NDArray[np.bool_], groups: NDArray[np.int64], rng: np.random.Generator
) -> Signal:
    """Say how much a facet's presence depends on a metadata column, the class left out: Cramer's V."""
    drawn = [_shown(rng.permutation(groups), present, groups) for _ in range(PERMUTATIONS)]
    values = _cramers_v(np.array([_shown(groups, present, groups), *drawn]), np.bincount(groups))
    return Signal(float(values[0]), exceedance(float(values[0]), values[1:]))


def _shown(
    arranged: NDArray[np.int64], present: NDArray[np.bool_], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the present samples of each group."""
    return np.bincount(arranged[present], minlength=int(groups.max()) + 1)


def _strata(classes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(classes == number) for number in np.unique(classes)]


def _asks(present: NDArray[np.bool_], groups: NDArray[np.int64]) -> bool:
    enough = present.sum() >= 5 and (~present).sum() >= 5
    return bool(enough and np.bincount(groups).astype(bool).sum() >= 2)
