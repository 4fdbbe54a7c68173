"""Facets: the kinds of appearance inside one unit, the audit's unit of judgement.

Facets are split by what they are, in the network's embedding and by their looks. Splitting by position would
make every facet look fixed in place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from foveal_audit.units.clouds import Cloud, join_inseparable, separation
from foveal_audit.units.formation import Formation, formations
from foveal_audit.units.stability import stability
from foveal_audit.units.views import TONE, narrowed

#: Below this mean silhouette two clusters are one cloud cut in half.
SEPARATION = 0.25
#: In few dimensions every cut has a good silhouette; there the parts must lie this far apart. The halves of
#: an even gradation of tone, which is one kind, have 3.46, those of 30 points of a normal cloud up to 4.3;
#: what is lit from one side only, or shows more or less of a mark, comes higher still.
APART = 6.0
#: Axes of tone in which parts are looked for.
_AXES = 4
#: No facet smaller than this is split off.
SMALLEST = 15
_PARTS = (2, 3)
#: Entries by which a split is judged; the silhouette of all takes time with their square.
_JUDGED = 5000
#: Times that entries are split anew to see which facets return.
_DRAWS = 4

Labels = NDArray[np.int64]


def split_node_windows(
    views: Mapping[str, NDArray[np.float32]], *, seed: int
) -> tuple[Labels, tuple[Formation, ...]]:
    """Give every entry of a node its facet, by all views together.

    Parameters
    ----------
    views
        Per name float32 (n, D), as :func:`foveal_audit.units.views.described` gives them.
    seed
        Source of chance.

    Returns
    -------
    int64 (n,): 0 for the largest facet and so on, and per facet how surely it is one. Parts that lie apart in
    no view are one facet.
    """
    narrow = narrowed(views, seed=seed)

    def split(rows: Labels) -> Labels:
        parts = split_each({name: points[rows] for name, points in views.items()}, seed=seed)
        return by_size(join_inseparable(parts, {name: points[rows] for name, points in narrow.items()}))

    labels = split(np.arange(len(next(iter(views.values())))))
    if not labels.any():
        return labels, (Formation(),) * min(1, len(labels))
    drawn = stability(labels, split, rng=np.random.default_rng(seed), draws=_DRAWS, size=_JUDGED // 2)
    return labels, formations(labels, narrow, drawn)


def split_each(views: Mapping[str, NDArray[np.float32]], *, seed: int) -> Labels:
    """Split entries by one view after the other, every part by itself: int64 (n,), parts from 0."""
    labels = np.zeros(len(next(iter(views.values()))), dtype=np.int64)
    for name, points in views.items():
        parts = [np.flatnonzero(labels == part) for part in range(int(labels.max(initial=-1)) + 1)]
        split = split_tones if name == TONE else split_facets
        for rows in parts:
            found = split(points[rows], seed=seed)
            labels[rows[found > 0]] = labels.max() + found[found > 0]
    return labels


def split_facets(appearance: NDArray[np.float32], *, seed: int) -> Labels:
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
    return by_size(labels) if score > SEPARATION else single


def split_tones(tones: NDArray[np.float32], *, seed: int) -> Labels:
    """Give every entry its kind of colour and texture: two where they lie apart, else one, as 0 and 1."""
    single = np.zeros(len(tones), dtype=np.int64)
    if len(tones) < 2 * SMALLEST or len(np.unique(tones, axis=0)) < 2:
        return single
    points = PCA(min(_AXES, *tones.shape), random_state=seed).fit_transform(tones)
    labels = KMeans(2, n_init=3, random_state=seed).fit_predict(points).astype(np.int64)
    if np.bincount(labels, minlength=2).min() < SMALLEST:
        return single
    apart = separation(*(Cloud.of(points[labels == part]) for part in (0, 1)))
    return by_size(labels) if apart >= APART else single


def _cluster(points: NDArray[np.float32], parts: int, seed: int) -> tuple[float, Labels]:
    labels = KMeans(parts, n_init=3, random_state=seed).fit_predict(points).astype(np.int64)
    if np.bincount(labels, minlength=parts).min() < SMALLEST:
        return -1.0, labels
    judged = _JUDGED if len(points) > _JUDGED else None
    return float(silhouette_score(points, labels, sample_size=judged, random_state=seed)), labels


def by_size(labels: Labels) -> Labels:
    """Give clusters new numbers from 0, the largest first; of equal ones the lowest old number first."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.asarray(rank[places], dtype=np.int64)
