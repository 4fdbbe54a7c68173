"""Facets: the kinds of appearance inside one unit, the audit's unit of judgement.

Facets are split by appearance alone. Splitting by position would make every facet look fixed in place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

#: Below this mean silhouette two clusters are one cloud cut in half.
SEPARATION = 0.25
#: No facet smaller than this is split off.
SMALLEST = 15
_PARTS = (2, 3)
#: Entries by which a split is judged; the silhouette of all takes time with their square.
_JUDGED = 5000


def split_facets(appearance: NDArray[np.float32], *, seed: int) -> NDArray[np.int64]:
    """Give every entry of a unit its facet.

    Parameters
    ----------
    appearance
        float32 (n, D), as :func:`foveal_audit.units.appearance.gradients` makes it.
    seed
        Source of chance.

    Returns
    -------
    int64 (n,): 0 for the largest facet and so on; all 0 where the unit does not split.
    """
    single = np.zeros(len(appearance), dtype=np.int64)
    parts_at_most = len(np.unique(appearance, axis=0))
    if len(appearance) < 2 * SMALLEST or parts_at_most < 2:
        return single
    points = PCA(min(8, *appearance.shape), random_state=seed).fit_transform(appearance)
    candidates = [_cluster(points, parts, seed) for parts in _PARTS if parts <= parts_at_most]
    score, labels = max(candidates, key=lambda candidate: candidate[0])
    return _by_size(labels) if score > SEPARATION else single


def _cluster(points: NDArray[np.float32], parts: int, seed: int) -> tuple[float, NDArray[np.int64]]:
    labels = KMeans(parts, n_init=3, random_state=seed).fit_predict(points).astype(np.int64)
    if np.bincount(labels, minlength=parts).min() < SMALLEST:
        return -1.0, labels
    judged = _JUDGED if len(points) > _JUDGED else None
    return float(silhouette_score(points, labels, sample_size=judged, random_state=seed)), labels


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[labels]
