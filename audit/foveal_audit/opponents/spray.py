"""SpRAy: spectral clustering of a class's relevance maps; what stands apart is a strategy of its own.

Lapuschkin et al., Nature Communications 2019; scored by Fisher's separability, as Anders et al., Information
Fusion 2022, rank classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found
from foveal_audit.opponents.spectral import cluster, eigengap, embed, neighbour_graph

#: A class of fewer pictures has no neighbourhoods to speak of.
LEAST = 24
#: Part of the mean variance added to every axis: clusters without any spread are not infinitely apart.
_RIDGE = 1e-2


@dataclass(frozen=True)
class Strategies:
    """The clusters of one class.

    Attributes
    ----------
    own
        int64 (m,), numbers of its training samples among those seen.
    points
        float64 (m, k), the first k eigenvectors at each.
    labels
        int64 (m,), 0 to k - 1.
    """

    own: NDArray[np.int64]
    points: NDArray[np.float64]
    labels: NDArray[np.int64]


def shares(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn maps (n, h, w) into rows (n, h w) of shares of the positive relevance."""
    rows = np.maximum(maps, 0).reshape(len(maps), -1)
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)


def separability(points: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Say how far a cluster stands from the rest: J = largest eigenvalue of S_w^-1 S_b (Fisher 1936).

    S_b has one direction with two groups, so that J = n1 n2 / n^2 d' S_w^-1 d; d is the difference of means.
    """
    if inside.all() or not inside.any():
        return 0.0
    own, rest = points[inside], points[~inside]
    apart = own.mean(axis=0) - rest.mean(axis=0)
    spread = np.vstack([own - own.mean(axis=0), rest - rest.mean(axis=0)])
    within = spread.T @ spread / len(points)
    within += np.eye(len(within)) * max(_RIDGE * float(points.var(axis=0).mean()), 1e-12)
    return float(inside.mean() * (1 - inside.mean()) * apart @ np.linalg.solve(within, apart))


def strategies(seen: Seen, seed: int, most: int | None = None) -> Iterator[Strategies]:
    """Cluster the maps of each predicted class, into ``most`` clusters at most."""
    for own in seen.classes(seen.samples.predicted, LEAST):
        embedding = embed(neighbour_graph(shares(seen.maps[own])))
        number = eigengap(embedding.values, most)
        yield Strategies(own, embedding.vectors[:, :number], cluster(embedding, number, seed))


def find(seen: Seen, seed: int) -> Sequence[Found]:
    """Score every cluster of every class by its separability."""
    return [
        (seen.rows[part.own[part.labels == label]], separability(part.points, part.labels == label))
        for part in strategies(seen, seed)
        for label in np.unique(part.labels)
    ]
