"""How stable clusters are: whether they come back when only a part of the windows is looked at.

Clusters that are there in the data return from any part of it, those that k-means had to invent do not. Each
cluster is held against its nearest counterpart in clusterings of subsamples by the Jaccard index (Hennig
2007, "Cluster-wise assessment of cluster stability"; subsamples after Ben-Hur et al. 2002). In his experience
a cluster with 0.75 and more is stable, and one below 0.6 should not be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

#: Mean Jaccard index, over windows, from which a clustering is stable, and below which a cluster is not.
STABLE, DOUBTFUL = 0.75, 0.6
#: Clusterings of subsamples, and the part of the windows in each.
_DRAWS, _PART = 6, 0.8
#: Windows by which the number is chosen, or this many for each cluster: more take longer and change nothing.
_JUDGED, _JUDGED_EACH = 1500, 25
_WIDTH = 32
#: Starts of k-means: a bad one would pass for instability.
_STARTS = 2

Labels = NDArray[np.int64]
Cluster = Callable[[NDArray[np.int64]], Labels]


@dataclass(frozen=True)
class Choice:
    """A number of clusters, and how stable that many are.

    Attributes
    ----------
    stability, weakest
        Mean Jaccard index over windows, and the lowest of any cluster, 0 to 1.
    """

    number: int
    stability: float
    weakest: float

    @property
    def is_stable(self) -> bool:
        """Whether the clusters are stable in the mean and none of them is doubtful."""
        return self.stability >= STABLE and self.weakest >= DOUBTFUL


def returning(reference: Labels, drawn: Labels) -> NDArray[np.float64]:
    """Say how well each cluster comes back in another clustering of the same windows.

    Parameters
    ----------
    reference, drawn
        int64 (n,), labels from 0.

    Returns
    -------
    float64 (clusters of the reference,): Jaccard index with the best counterpart, 0 to 1; 0 for a cluster
    without windows.
    """
    table = np.zeros((int(reference.max()) + 1, int(drawn.max()) + 1))
    np.add.at(table, (reference, drawn), 1)
    union = table.sum(axis=1)[:, None] + table.sum(axis=0)[None] - table
    return np.asarray((table / np.maximum(union, 1)).max(axis=1))


def stability(
    labels: Labels,
    cluster: Cluster,
    *,
    rng: np.random.Generator,
    draws: int = _DRAWS,
    size: int | None = None,
) -> NDArray[np.float64]:
    """Say how stable the clusters of a clustering are.

    Parameters
    ----------
    labels
        int64 (n,), the clustering of all windows, from 0.
    cluster
        Clusters the windows at the given positions in the same way: positions (m,) to labels (m,).
    rng
        Draws the subsamples.
    draws, size
        Number of subsamples, and of windows of which each takes four fifths: all, or fewer where told.

    Returns
    -------
    float64 (clusters,), mean Jaccard index over the subsamples, 0 to 1.
    """
    number, size = int(labels.max()) + 1, max(1, int(_PART * min(size or len(labels), len(labels))))
    found, seen = np.zeros(number), np.zeros(number)
    for _ in range(draws):
        rows = np.sort(rng.choice(len(labels), size, replace=False))
        own = labels[rows]
        back = returning(own, cluster(rows))
        found[: len(back)] += back
        seen += np.bincount(own, minlength=number) > 0
    return np.asarray(found / np.maximum(seen, 1))


def stable_number(points: NDArray[np.float32], candidates: Sequence[int], *, seed: int) -> Choice:
    """Choose the largest number of k-means clusters that is stable.

    Parameters
    ----------
    points
        float32 (n, D).
    candidates
        Numbers to choose from.
    seed
        Source of chance.

    Returns
    -------
    The largest candidate that is stable; where none is, the one with the highest mean Jaccard index.
    """
    judged = _judged(points, max(_JUDGED, _JUDGED_EACH * max(candidates)), seed)
    choices = [_tried(judged, number, seed) for number in sorted(set(candidates))]
    stable = [choice for choice in choices if choice.is_stable]
    return stable[-1] if stable else max(choices, key=lambda choice: choice.stability)


def _judged(points: NDArray[np.float32], size: int, seed: int) -> NDArray[np.float32]:
    if len(points) > size:
        points = points[np.random.default_rng(seed).choice(len(points), size, replace=False)]
    narrow = PCA(min(_WIDTH, *points.shape), random_state=seed)
    return np.asarray(narrow.fit_transform(points), dtype=np.float32)


def _tried(points: NDArray[np.float32], number: int, seed: int) -> Choice:
    def cluster(rows: NDArray[np.int64]) -> Labels:
        found = KMeans(number, n_init=_STARTS, random_state=seed).fit_predict(points[rows])
        return np.asarray(found, dtype=np.int64)

    labels = cluster(np.arange(len(points)))
    each = stability(labels, cluster, rng=np.random.default_rng(seed))
    mean = np.average(each, weights=np.bincount(labels, minlength=len(each)))
    return Choice(number, float(mean), float(each.min()))
