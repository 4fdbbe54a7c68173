"""Detectors of poison: a class with two kinds of samples in it, and the formulas against plain twins."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.opponents import activations, signatures
from foveal_audit.opponents.activations import halve, suspicion

SHIFTED = np.arange(100) < 20


@pytest.fixture
def seen(make_seen):
    """Two classes of 100; 20 samples of the first are told apart by the network."""
    features = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
    features[:20, 3] += 9
    return make_seen(["training"] * 200, np.repeat([0, 1], 100), features=features)


def test_a_class_of_two_kinds_is_halved_where_they_part(seen):
    found = activations.find(seen, seed=0)
    assert len(found) == 4
    rows, score = max(found, key=lambda one: one[1])
    assert rows.tolist() == list(range(20))
    assert score > 1
    assert all(other < 1 for _, other in found if other != score)


def test_suspicion_by_hand():
    assert suspicion(0.2, 0.5) == pytest.approx(1.15)
    assert suspicion(0.2, 0.05) == pytest.approx(0.015)
    assert suspicion(0.8, 0.5) == pytest.approx(-0.15)
    assert suspicion(0.4, -0.3) == 0


def test_samples_that_are_all_alike_have_no_halves():
    labels, silhouette = halve(np.ones((30, 5), np.float32), seed=0)
    assert silhouette == 0
    assert set(labels.tolist()) == {0}


def test_signatures_by_the_covariance(seen):
    features = seen.features[:100].astype(np.float64)
    centred = features - features.mean(0)
    leading = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    naive = (centred @ leading) ** 2
    np.testing.assert_allclose(signatures.signatures(seen.features[:100]), naive / naive.mean(), rtol=1e-4)


def test_the_shifted_samples_are_set_aside(seen):
    (aside, high), (rest, low) = signatures.find(seen, seed=0)[:2]
    assert set(range(20)) <= set(aside.tolist())
    assert sorted([*aside.tolist(), *rest.tolist()]) == list(range(100))
    assert len(aside) == 50  # 1.5 * .33 of the class
    assert high > 1 > low


def test_signatures_of_one_point_are_nothing():
    np.testing.assert_array_equal(signatures.signatures(np.ones((10, 3), np.float32)), np.zeros(10))
