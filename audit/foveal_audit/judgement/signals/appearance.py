"""Whether the crops of a facet are copies of each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance
from foveal_audit.units.appearance import shifted_correlation

#: Crops of a facet that are compared with each other.
COMPARED = 64


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
