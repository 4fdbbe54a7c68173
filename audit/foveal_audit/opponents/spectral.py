"""Spectral clustering step by step, as SpRAy takes it: graph, eigenpairs, eigengap, k-means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

#: Published: Lapuschkin et al. 2019 and CoRelAy's examples.
NEIGHBOURS, EIGENPAIRS = 10, 32
#: More points than this are not decomposed as a dense matrix.
_DENSE = 1000


@dataclass(frozen=True)
class Embedding:
    """The smallest eigenpairs of a graph's symmetric normalised Laplacian.

    Attributes
    ----------
    values
        float64 (k,), ascending from 0.
    vectors
        float64 (n, k), of unit length.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]


def neighbour_graph(points: NDArray[np.floating], neighbours: int = NEIGHBOURS) -> csr_matrix:
    """Join every point with its nearest others, both ways, by edges of weight 1.

    Parameters
    ----------
    points
        (n, D); distances are Euclidean.
    """
    number = max(1, min(neighbours, len(points) - 1))
    graph = kneighbors_graph(points, number, mode="connectivity")
    return csr_matrix(graph.maximum(graph.T))


def embed(graph: csr_matrix, pairs: int = EIGENPAIRS) -> Embedding:
    """Decompose L = I - D^-1/2 A D^-1/2; its eigenvalues lie in 0 to 2."""
    number = graph.shape[0]
    scale = diags(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel().clip(1e-12)))
    similar = scale @ graph @ scale
    pairs = min(pairs, number - 1)
    if number <= _DENSE:
        values, vectors = eigh(similar.toarray(), subset_by_index=(number - pairs, number - 1))
    else:  # the same start gives the same bits
        start = np.random.default_rng(0).uniform(0.5, 1, number)
        values, vectors = eigsh(similar, pairs, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    return Embedding(1 - values[order], vectors[:, order])


def eigengap(values: NDArray[np.float64], most: int | None = None) -> int:
    """Give the number of clusters, at least 2: where the ascending eigenvalues leap farthest."""
    leaps = np.diff(values)[1:most]
    return int(leaps.argmax()) + 2 if len(leaps) else 1


def cluster(embedding: Embedding, number: int, seed: int) -> NDArray[np.int64]:
    """Cluster points by their first eigenvectors, int64 (n,)."""
    chosen = embedding.vectors[:, :number]
    return np.asarray(KMeans(number, n_init=10, random_state=seed).fit_predict(chosen), dtype=np.int64)
