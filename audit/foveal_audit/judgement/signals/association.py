"""Whether a facet goes with a column of the metadata."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance


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
