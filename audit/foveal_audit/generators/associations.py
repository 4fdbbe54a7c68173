"""Does a coordinate go with a metadata column? Tested over all of them with false discoveries controlled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, kruskal, spearmanr

from .crops import Latents

RATE = 0.05
_FEWEST = 5  # crops that a group of a column needs
_FEWEST_IN_ALL = 20
_NUMBERS = 6  # distinct values from which a column of numbers is taken as an amount


class Association(TypedDict):
    """A column that goes with an axis.

    Attributes
    ----------
    measure
        ``spearman`` for amounts, -1 to 1; ``epsilon2`` for groups, the share of the ranks' variance, 0 to 1.
    q
        Adjusted p-value (Benjamini & Hochberg 1995) over every axis and column tested.
    """

    axis: int
    column: str
    measure: str
    effect: float
    q: float


def associations(
    latents: Latents, metadata: Mapping[str, Sequence[str]], groups: Sequence[Hashable] | None = None
) -> list[Association]:
    """Test every axis against every column.

    Parameters
    ----------
    latents
        (n, axes).
    metadata
        Per column n values, "" where there is none.
    groups
        What each row belongs to; only the first row of each is used, so that windows of one sample do not
        count as independent.

    Returns
    -------
    Those with q <= 0.05, the surest first.
    """
    rows = _firsts(range(len(latents)) if groups is None else groups)
    tested = [
        (axis, column, *found)
        for column, values in metadata.items()
        for axis in range(latents.shape[1])
        if (found := _tested(latents[rows, axis], np.asarray(values, str)[rows])) is not None
    ]
    if not tested:
        return []
    adjusted = false_discovery_control([one[-1] for one in tested])
    kept: list[Association] = [
        {"axis": axis, "column": column, "measure": name, "effect": round(size, 4), "q": float(f"{q:.3g}")}
        for (axis, column, name, size, _), q in zip(tested, adjusted, strict=True)
        if q <= RATE
    ]
    return sorted(kept, key=lambda one: (one["q"], one["axis"], one["column"]))


def _firsts(groups: Sequence[Hashable]) -> list[int]:
    seen: dict[Hashable, int] = {}
    for row, group in enumerate(groups):
        seen.setdefault(group, row)
    return list(seen.values())


def _tested(coordinate: NDArray[np.float32], values: NDArray[np.str_]) -> tuple[str, float, float] | None:
    """Give measure, effect and p-value, or None where the column cannot be tested."""
    there = values != ""
    coordinate, values = coordinate[there], values[there]
    if len(values) < _FEWEST_IN_ALL or not np.ptp(coordinate) > 0:
        return None
    amounts = _amounts(values)
    return _by_group(coordinate, values) if amounts is None else _by_amount(coordinate, amounts)


def _amounts(values: NDArray[np.str_]) -> NDArray[np.float64] | None:
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() and len(np.unique(numbers)) >= _NUMBERS else None


def _by_amount(coordinate: NDArray[np.float32], amounts: NDArray[np.float64]) -> tuple[str, float, float]:
    found = spearmanr(coordinate, amounts)
    return "spearman", float(found.statistic), float(found.pvalue)


def _by_group(coordinate: NDArray[np.float32], values: NDArray[np.str_]) -> tuple[str, float, float] | None:
    names, counts = np.unique(values, return_counts=True)
    large = names[counts >= _FEWEST]
    if len(large) < 2:
        return None
    parts = [coordinate[values == name] for name in large]
    found = kruskal(*parts)
    size = (float(found.statistic) - len(large) + 1) / (sum(map(len, parts)) - len(large))
    return "epsilon2", max(size, 0.0), float(found.pvalue)
