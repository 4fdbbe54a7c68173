"""Paired effects that share their samples: an interval that knows how few samples there really were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

#: Error of a 95 % interval on either side.
TAIL = 0.025


@dataclass(frozen=True)
class Effect:
    """An effect with its 95 % interval, the mean effect of its controls and a one-sided p-value."""

    estimate: float
    low: float
    high: float
    controls: float
    p: float
    pairs: int


def summarise(
    effects: NDArray[np.float64],
    controls: NDArray[np.float64],
    *shared: NDArray[np.int64],
    share: float = 1.0,
    bound: float = 1.0,
) -> Effect:
    """Sum up paired differences whose pairs share samples.

    Parameters
    ----------
    effects, controls
        float64 (n,), the change by the facet and by its control in the same pair.
    shared
        Up to two arrays (n,): which sample a pair has in common with others (donor, host).
    share
        Share of the error that may be spent here, where a test that looks several times spends the rest
        elsewhere: the interval gets wider and the p-value larger.
    bound
        Where the interval ends at the latest: 1 for probabilities, infinite for margins.

    Returns
    -------
    The mean difference. Its error counts pairs of one donor, or of one host, as one observation (two-way
    clustering, Cameron, Gelbach and Miller 2011), with Student's t on one less than the fewer samples.
    """
    paired = effects - controls
    error = _clustered_error(paired, shared)
    freedom = min([len(np.unique(labels)) for labels in shared], default=len(paired)) - 1
    estimate = float(paired.mean())
    if freedom < 1:
        return Effect(estimate, -bound, bound, float(controls.mean()), 1.0, len(paired))
    reach = float(student.isf(TAIL * share, freedom)) * error
    p = float(student.sf(estimate / error, freedom)) / share if error > 0 else float(estimate <= 0)
    return Effect(
        estimate,
        max(-bound, estimate - reach),
        min(bound, estimate + reach),
        float(controls.mean()),
        float(np.clip(p, 1e-12, 1.0)),
        len(paired),
    )


def smaller(effects: Sequence[Effect]) -> Effect:
    """Give the smallest of several effects, with an interval that holds for the smallest there is.

    All of them must be there for the smallest to be: the largest p-value counts (intersection-union test,
    Berger 1982).
    """
    least = min(effects, key=lambda effect: effect.estimate)
    return replace(
        least,
        low=min(effect.low for effect in effects),
        high=min(effect.high for effect in effects),
        p=max(effect.p for effect in effects),
    )


def _clustered_error(paired: NDArray[np.float64], shared: tuple[NDArray[np.int64], ...]) -> float:
    """Take the standard error of the mean from the cluster sums, the pairs' own share counted once."""
    residual = paired - paired.mean()
    own = float((residual**2).sum())
    sums = [float((_sums(residual, labels) ** 2).sum()) for labels in shared]
    total = sum(sums) - (len(sums) - 1) * own if sums else own
    # Clusters that cancel each other would promise more certainty than independent pairs give.
    return float(np.sqrt(max([total, own, *sums]))) / len(paired)


def _sums(values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    numbers = np.unique(labels, return_inverse=True)[1]
    return np.asarray(np.bincount(numbers, weights=values), dtype=np.float64)
