"""Windows to facets: units split where they look different, twins across units joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from foveal_audit.units.appearance import shifted_correlation
from foveal_audit.units.contribution import DEFAULT_UNITS, directions, fit_units
from foveal_audit.units.facets import split_facets
from foveal_audit.windows import Windows

#: Two clusters are twins when their crops match each other nearly as well as either matches itself.
_TWIN = 0.95
_COMPARED = 24
#: Part of a unit's evidence that its named channels carry.
_CARRIED = 0.8


@dataclass(frozen=True)
class Partition:
    """Which unit each contribution window belongs to.

    Attributes
    ----------
    labels
        int64 (n,), 0 for the unit with most windows.
    centroids
        float32 (units, C), mean direction of each unit's contribution.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]

    def channels(self, unit: int) -> tuple[int, ...]:
        """Name the channels that carry most of a unit's evidence, the strongest first."""
        strength = np.maximum(self.centroids[unit], 0)
        order = np.argsort(-strength, kind="stable")
        carried = np.cumsum(strength[order]) / max(float(strength.sum()), 1e-12)
        return tuple(int(channel) for channel in order[: int(np.searchsorted(carried, _CARRIED)) + 1])


def partition(windows: Windows, classes: NDArray[np.int64], *, seed: int) -> Partition:
    """Sort contribution windows into units.

    Parameters
    ----------
    windows
        Contribution windows.
    classes
        int64 (n,), the class that each window spoke for; only windows of one class can be twins.
    seed
        Source of chance.
    """
    number = max(DEFAULT_UNITS, 4 * len(np.unique(classes)))
    model = fit_units(windows.vectors, seed=seed, units=number)
    pieces = _split(model, windows, seed)
    labels = _by_size(_join_twins(pieces, windows, classes, seed))
    flow = directions(windows.vectors)
    centroids = [flow[labels == unit].mean(axis=0) for unit in range(int(labels.max()) + 1)]
    return Partition(labels, np.stack(centroids).astype(np.float32))


def _split(model: KMeans, windows: Windows, seed: int) -> NDArray[np.int64]:
    pieces = np.zeros(len(windows), dtype=np.int64)
    for unit in range(model.n_clusters):
        rows = np.flatnonzero(model.labels_ == unit)
        pieces[rows] = unit * 10 + split_facets(windows.gradients[rows], seed=seed) if len(rows) else 0
    return np.unique(pieces, return_inverse=True)[1].astype(np.int64)


def _join_twins(
    pieces: NDArray[np.int64], windows: Windows, classes: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Give twins one label: pieces of one main class whose crops cannot be told apart."""
    rng = np.random.default_rng(seed)
    numbers = range(int(pieces.max()) + 1)
    rows = [np.flatnonzero(pieces == number) for number in numbers]
    chosen = [rng.choice(own, min(_COMPARED, len(own)), replace=False) for own in rows]
    main = [int(np.bincount(classes[own]).argmax()) for own in rows]
    leader = list(numbers)
    for a in numbers:
        for b in range(a):
            if main[a] == main[b] and _are_twins(windows.detail[chosen[a]], windows.detail[chosen[b]]):
                joined, gone = sorted((leader[a], leader[b]))
                leader = [joined if number == gone else number for number in leader]
    return np.array(leader, dtype=np.int64)[pieces]


def _are_twins(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    if min(len(a), len(b)) < 6:
        return False
    match = shifted_correlation(np.concatenate([a, b]))
    here, there = slice(0, len(a)), slice(len(a), None)
    across = min(_nearest(match[here, there]), _nearest(match[there, here]))
    # Held against the more alike of the two: anything resembles blank tissue as much as tissue does itself.
    return across >= _TWIN * max(_nearest(match[here, here]), _nearest(match[there, there]))


def _nearest(match: NDArray[np.float32]) -> float:
    return float(np.sort(match, axis=1)[:, -3:].mean())


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[places]
