"""Activation clustering: the samples of a class in two clusters; the smaller may be a trick.

Chen et al., SafeAI 2019; thresholds as in the Adversarial Robustness Toolbox (MIT licence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found

#: Published: axes kept, clusters, largest share of a suspicious cluster, least silhouette.
_AXES, _CLUSTERS, _SMALL, _SEPARATE = 10, 2, 0.35, 0.1
_LEAST = 24


def halve(features: NDArray[np.float32], seed: int) -> tuple[NDArray[np.int64], float]:
    """Cluster the activations (n, D) of one class in two: labels, and their silhouette in -1 to 1."""
    if not np.ptp(features, axis=0).any():
        return np.zeros(len(features), np.int64), 0.0
    axes = min(_AXES, *features.shape)
    points = PCA(axes, svd_solver="full").fit_transform(features)
    labels = KMeans(_CLUSTERS, n_init=10, random_state=seed).fit_predict(points)
    return np.asarray(labels, np.int64), float(silhouette_score(points, labels))


def suspicion(share: float, silhouette: float) -> float:
    """Score a cluster: 1 where the published rule holds, plus how small and separate it is."""
    return float(share < _SMALL and silhouette > _SEPARATE) + (0.5 - share) * max(silhouette, 0.0)


def find(seen: Seen, seed: int) -> Sequence[Found]:
    """Halve each class."""
    found: list[Found] = []
    for own in seen.classes(seen.samples.outcomes, _LEAST):
        labels, silhouette = halve(seen.features[own], seed)
        found += [
            (seen.rows[own[labels == label]], suspicion(float((labels == label).mean()), silhouette))
            for label in np.unique(labels)
        ]
    return found
