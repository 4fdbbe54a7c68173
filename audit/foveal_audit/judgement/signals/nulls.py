"""What a signal is, and how often chance alone reaches it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm

#: Permutations behind every null.
PERMUTATIONS = 199
#: Fewer windows or pictures than this tell nothing about a facet.
FEWEST = 5


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


def superiority(values: NDArray[np.float64], pool: NDArray[np.float64]) -> Signal | None:
    """Say how often a value of the facet exceeds one of the pool, ties counting half.

    Returns
    -------
    0 to 1, .5 where both are alike, and the one-sided p-value of Mann and Whitney (1947); None where either
    has fewer than five values. The effect compares across models whatever the values' unit.
    """
    if min(len(values), len(pool)) < FEWEST:
        return None
    found = mannwhitneyu(values, pool, alternative="greater", method="asymptotic")
    p = 1.0 if np.isnan(found.pvalue) else float(np.clip(found.pvalue, 1e-12, 1))
    return Signal(float(found.statistic) / (len(values) * len(pool)), p)


def those(**asked: Signal | None) -> dict[str, Signal]:
    """Keep the signals that could be asked."""
    return {name: signal for name, signal in asked.items() if signal is not None}
