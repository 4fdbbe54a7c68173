"""Clouds of points: whether two of them are two, or one that was cut in half.

Whatever k-means cuts, the halves lie apart along the line between their centres. What tells two clouds from
one that was cut is how far: the halves of a normal distribution lie 2.65 of their own standard deviations
apart, whatever its size (means at ±0.798, deviation 0.603).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Distance from which two clouds are two. A normal cloud cut in half has 2.65, a margin is left for chance.
SEPARATE = 2.8

Views = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Cloud:
    """Points by their number, mean (D,) and covariance (D, D), the latter divided by the number."""

    number: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float32]) -> Cloud:
        """Describe points (n, D), n > 0."""
        centred = points.astype(np.float64) - (mean := points.mean(axis=0, dtype=np.float64))
        return cls(len(points), mean, centred.T @ centred / len(points))

    def joined(self, other: Cloud) -> Cloud:
        """Describe the points of both."""
        number = self.number + other.number
        mine, theirs = self.number / number, other.number / number
        apart = other.mean - self.mean
        covariance = mine * self.covariance + theirs * other.covariance
        return Cloud(number, self.mean + theirs * apart, covariance + mine * theirs * np.outer(apart, apart))


def separation(a: Cloud, b: Cloud) -> float:
    """Say how far two clouds lie apart.

    Returns
    -------
    Distance of the means in standard deviations along the line between them, 0 or more: the root of the mean
    of both variances, so that a small cloud counts as much as a large one. About 2.65 for a normal cloud that
    was cut in half, 3.46 for a uniform one.
    """
    apart = b.mean - a.mean
    length = float(np.linalg.norm(apart))
    if length <= 1e-9:
        return 0.0
    along = apart / length
    variance = float(along @ (a.covariance + b.covariance) @ along) / 2
    return float(length / max(variance**0.5, 1e-6 * length))


def separations(a: Mapping[str, Cloud], b: Mapping[str, Cloud]) -> dict[str, float]:
    """Say per view how far two clouds lie apart."""
    return {name: separation(a[name], b[name]) for name in a}


def clouds_of(labels: NDArray[np.int64], views: Views) -> list[dict[str, Cloud]]:
    """Describe each cluster (0, 1, ..., none of them empty) in each view (n, D)."""
    parts = range(int(labels.max(initial=-1)) + 1)
    return [{name: Cloud.of(points[labels == part]) for name, points in views.items()} for part in parts]


def join_inseparable(
    labels: NDArray[np.int64], views: Views, may_join: Callable[[int, int], bool] = lambda _a, _b: True
) -> NDArray[np.int64]:
    """Join clusters that lie apart in no view, the nearest first.

    Parameters
    ----------
    labels
        int64 (n,), clusters from 0, none of them empty.
    views
        Per name float32 (n, D).
    may_join
        Whether two of the clusters given may become one.

    Returns
    -------
    int64 (n,): each cluster's new number is the lowest of those that were joined to it.
    """
    clouds: dict[int, dict[str, Cloud]] = dict(enumerate(clouds_of(labels, views)))
    leader = np.arange(len(clouds))
    near = {(a, b): _farthest(clouds[a], clouds[b]) for b in clouds for a in range(b) if may_join(a, b)}
    while near and (pair := min(near, key=lambda one: (near[one], one))) and near[pair] < SEPARATE:
        kept, gone = pair
        clouds[kept] = {name: own.joined(clouds[gone][name]) for name, own in clouds[kept].items()}
        del clouds[gone]
        leader[leader == gone] = kept
        near = _after(near, kept, gone, clouds)
    return np.asarray(leader[labels], dtype=np.int64)


def _farthest(a: Mapping[str, Cloud], b: Mapping[str, Cloud]) -> float:
    return max(separations(a, b).values())


def _after(
    near: dict[tuple[int, int], float], kept: int, gone: int, clouds: Mapping[int, Mapping[str, Cloud]]
) -> dict[tuple[int, int], float]:
    """Renew the distances of a cluster that took another in; what might not join either may not join both."""
    left = {pair: old for pair, old in near.items() if gone not in pair and kept not in pair}
    for other in clouds:
        mine, theirs = sorted((kept, other)), sorted((gone, other))
        if (mine[0], mine[1]) in near and (theirs[0], theirs[1]) in near:
            left[mine[0], mine[1]] = _farthest(clouds[kept], clouds[other])
    return left


def nearest_rivals(clouds: Sequence[Mapping[str, Cloud]]) -> list[dict[str, float]]:
    """Say per cluster and view how far its nearest other cluster lies; empty where there is no other.

    The nearest is the one that is least far in the view in which it is farthest: the hardest to tell apart.
    """
    found: list[dict[str, float]] = []
    for number, own in enumerate(clouds):
        others = [separations(own, other) for rival, other in enumerate(clouds) if rival != number]
        found.append(min(others, key=lambda one: max(one.values()), default={}))
    return found
