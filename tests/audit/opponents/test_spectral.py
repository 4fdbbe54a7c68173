"""The spectral step against a plain decomposition and scikit-learn's own clustering."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from foveal_audit.opponents import spectral
from foveal_audit.opponents.spectral import cluster, eigengap, embed, neighbour_graph


def naive_graph(points, k):
    near = np.zeros((len(points),) * 2)
    for row, point in enumerate(points):
        order = np.argsort(((points - point) ** 2).sum(1), kind="stable")
        near[row, [other for other in order if other != row][:k]] = 1
    return np.maximum(near, near.T)


def naive_values(graph):
    degree = np.diag(graph.sum(1) ** -0.5)
    return np.sort(np.linalg.eigvals(np.eye(len(graph)) - degree @ graph @ degree).real)


def test_graph_and_eigenvalues_by_the_formula():
    points = np.random.default_rng(0).normal(size=(80, 5))
    graph = neighbour_graph(points, 7)
    np.testing.assert_array_equal(graph.toarray(), naive_graph(points, 7))
    found = embed(graph, 12)
    np.testing.assert_allclose(found.values, naive_values(graph.toarray())[:12], atol=1e-10)
    assert found.values[0] == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(12), atol=1e-10)


def test_many_points_are_decomposed_alike(monkeypatch):
    graph = neighbour_graph(np.random.default_rng(1).normal(size=(200, 3)))
    dense = embed(graph, 6)
    monkeypatch.setattr(spectral, "_DENSE", 50)
    sparse = embed(graph, 6)
    np.testing.assert_allclose(sparse.values, dense.values, atol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(sparse.vectors * dense.vectors, axis=0)), 1, atol=1e-5)
    np.testing.assert_array_equal(embed(graph, 6).vectors, sparse.vectors)


def test_moons_fall_apart_as_in_scikit_learn():
    points, truth = make_moons(300, noise=0.05, random_state=0)
    graph = neighbour_graph(points)
    found = cluster(embed(graph), 2, seed=0)
    theirs = SpectralClustering(2, affinity="precomputed", random_state=0).fit_predict(graph)
    assert adjusted_rand_score(theirs, found) == 1
    assert adjusted_rand_score(truth, found) == 1


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_the_gap_counts_what_is_apart(parts):
    rng = np.random.default_rng(parts)
    points = np.repeat(np.arange(parts) * 50, 12)[:, None] + rng.normal(size=(12 * parts, 2))
    embedding = embed(neighbour_graph(points))
    np.testing.assert_allclose(embedding.values[:parts], 0, atol=1e-10)
    assert eigengap(embedding.values) == parts


def test_gap_by_hand():
    assert eigengap(np.array([0, 0.5, 0.52, 0.9, 1.0])) == 3  # the leap from 1 to 2 does not count
    assert eigengap(np.array([0, 0.1, 0.2, 0.3, 0.9]), most=3) == 2
    assert eigengap(np.array([0.0])) == 1


def test_a_lonely_point_does_no_harm():
    found = embed(csr_matrix(np.diag([0.0, 0, 0]) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])), 2)
    assert np.isfinite(found.values).all()
