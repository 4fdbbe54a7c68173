"""How far a mean over samples can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over samples with its bootstrap interval.

    Attributes
    ----------
    mean
        The mean.
    low, high
        Ends of the 95 % interval.
    count
        Samples.
    """

    mean: float
    low: float
    high: float
    count: int


def estimate(values: NDArray[np.floating], seed: int = 0) -> Estimate:
    """Estimate the mean of one value per sample (N,), N at least 1.

    The interval is the percentile bootstrap over samples (Efron 1979): :data:`RESAMPLES` draws of N samples
    with replacement. Where all values are equal it has no width, however few they are: read it with the
    count. The same seed draws the same samples for every method, so their intervals can be compared.
    """
    count = len(values)
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.asarray(values, dtype=np.float64)[drawn].mean(axis=1), (tail, 1 - tail))
    return Estimate(float(np.mean(values, dtype=np.float64)), float(low), float(high), count)
