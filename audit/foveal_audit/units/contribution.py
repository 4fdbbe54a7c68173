"""Contribution units: clusters of class-contribution windows by what the channels contributed.

A unit gathers windows whose evidence flows through the same channels, whatever the class. Nodes of the
penultimate layer superpose several concepts; these clusters separate them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

#: More units than concepts: a concept in two units is judged twice, two in one unit are judged wrongly.
DEFAULT_UNITS = 20
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
