"""Contribution units: clusters of class-contribution windows by what the channels contributed.

A unit gathers windows whose evidence flows through the same channels, whatever the class. Nodes of the
penultimate layer superpose several concepts; these clusters separate them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from foveal_audit.units.stability import stable_number

#: Fewest units to begin with, and per class. Marks may ride along in a part of a stable unit: evidence is cut
#: finer than is stable, and what was one is joined again afterwards.
DEFAULT_UNITS, UNITS_PER_CLASS = 20, 4
#: Numbers to choose from, as multiples of that: more where the data hold more.
_MULTIPLES = (1.0, 1.2, 1.5, 2.0)
#: Fewer windows a unit than this say nothing about it.
WINDOWS_PER_UNIT = 25


def directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale contribution vectors (n, C) to unit length: how the evidence flows, not how much of it."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def fit_units(vectors: NDArray[np.float32], *, seed: int, units: int = DEFAULT_UNITS) -> KMeans:
    """Cluster contribution vectors into units.

    Parameters
    ----------
    vectors
        float32 (n, C), per channel contribution summed over a window.
    seed
        Source of chance.
    units
        Highest number of units; fewer where there are fewer than 25 windows a unit.

    Returns
    -------
    A fitted k-means over unit-length vectors; ``predict(directions(v))`` gives the unit of new windows.
    """
    number = max(1, min(units, len(vectors) // WINDOWS_PER_UNIT))
    return KMeans(number, n_init=4, random_state=seed).fit(directions(vectors))


def choose_units(vectors: NDArray[np.float32], classes: int, *, seed: int) -> int:
    """Choose how many units to begin with: the usual number, or more where more come back from subsamples.

    Parameters
    ----------
    vectors
        float32 (n, C), per channel contribution summed over a window.
    classes
        Classes that the windows spoke for: with more of them there are more units to choose from.
    seed
        Source of chance.
    """
    flow = directions(vectors)
    most = min(len(vectors) // WINDOWS_PER_UNIT, len(np.unique(flow, axis=0)))
    usual = max(DEFAULT_UNITS, UNITS_PER_CLASS * classes)
    candidates = [number for part in _MULTIPLES if (number := round(part * usual)) <= most]
    chosen = stable_number(flow, candidates, seed=seed) if candidates else None
    return chosen.number if chosen and chosen.is_stable else max(1, min(usual, most))
