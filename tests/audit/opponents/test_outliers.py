"""Local outlier factors against a plain computation, and whose windows are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.opponents.outliers import OutlierOpponent, outlierness
from foveal_audit.windows import Evidence


def naive(points, k):
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = [[j for j in np.argsort(row, kind="stable") if j != i][:k] for i, row in enumerate(distance)]
    radius = [distance[i, own[-1]] for i, own in enumerate(near)]
    reach = [np.mean([max(radius[j], distance[i, j]) for j in own]) for i, own in enumerate(near)]
    return np.array([np.mean([reach[i] / reach[j] for j in own]) for i, own in enumerate(near)])


def test_factors_by_the_paper():
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(outlierness(vectors), naive(unit, 20), rtol=1e-4)


def test_length_does_not_matter():
    vectors = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    np.testing.assert_allclose(outlierness(vectors * 7), outlierness(vectors), rtol=1e-4)


@pytest.fixture
def evidence():
    """200 training windows that flow one way, 25 that each flow their own, and production like these."""
    rng = np.random.default_rng(2)
    usual = np.abs(rng.normal([5, 1, 0], 0.1, (200, 3)))
    own = rng.normal([0, 0, 3], 0.5, (75, 3))
    samples = make_samples(["training"] * 225 + ["production"] * 50)
    windows = make_windows([noise_crop(rng)] * 275, vectors=np.concatenate([usual, own]))
    return Evidence(samples, windows, {}, {})


def test_the_windows_that_flow_elsewhere_rank_first(evidence):
    found = OutlierOpponent("LOF").artefacts(evidence, None, 0)
    first = max(found, key=lambda group: group.score)
    assert set(first.windows.owner.tolist()) <= set(range(200, 225))
    assert first.score > 1.05 > np.median([group.score for group in found])
    assert sorted(row for group in found for row in group.windows.owner) == list(range(225))
    assert OutlierOpponent("LOF").gaps(evidence, None, 0) is None


def test_few_windows_are_not_clustered(evidence):
    few = replace(evidence, contribution=evidence.contribution.take(np.arange(23)))
    assert OutlierOpponent("LOF").artefacts(few, None, 0) == []
