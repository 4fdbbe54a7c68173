"""Conformal p-values: by hand, against loops, and as small as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.gaps.coverage import conformal_p, coverage, sample_distances

SCORES = st.lists(st.integers(-3, 3).map(float) | st.just(-np.inf), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_p_is_the_rank_among_the_held_out(calibration, scores):
    naive = [(1 + sum(c >= s for c in calibration)) / (1 + len(calibration)) for s in scores]
    np.testing.assert_allclose(conformal_p(np.array(calibration), np.array(scores)), naive)


@given(SCORES.filter(lambda scores: len(scores) > 1))
def test_p_is_valid_for_exchangeable_samples(scores):
    """Whichever of equals is the new one: p <= a for at most a share a of the choices, ties or not."""
    scores = np.array(scores)
    p_values = [conformal_p(np.delete(scores, n), scores[n : n + 1])[0] for n in range(len(scores))]
    for level in np.unique(p_values):
        assert np.mean(np.array(p_values) <= level) <= level + 1e-12


def test_by_hand():
    calibration = np.array([1.0, 2.0, 3.0, 4.0])
    assert conformal_p(calibration, np.array([5.0, 4.0, 0.0, -np.inf])).tolist() == [0.2, 0.4, 1, 1]


@pytest.mark.parametrize("size", [3, 40])
def test_a_sample_is_as_far_as_its_furthest_window(size):
    rng = np.random.default_rng(0)
    reference, described = rng.normal(size=(size, 4)).astype(np.float32), rng.normal(size=(9, 4))
    owner = np.array([0, 0, 1, 3, 3, 3, 4, 4, 0])
    found = sample_distances(reference, described.astype(np.float32), owner, 6)
    for sample in range(6):
        windows = described[owner == sample]
        each = [np.sort(np.linalg.norm(reference - one, axis=1))[min(10, size) - 1] for one in windows]
        assert found[sample] == pytest.approx(max(each, default=-np.inf), rel=1e-5)


def scene(seed, shift=0.0, training=120, production=60):
    """One to three windows a sample in two spaces; production may lie elsewhere in the second."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(training + production), rng.integers(1, 4, training + production))
    spaces = {name: rng.normal(size=(len(owner), 5)).astype(np.float32) for name in ("network", "intensity")}
    made = np.arange(training + production) >= training
    spaces["intensity"][made[owner]] += shift
    return spaces, owner, ~made, made


def test_p_values_of_like_samples_are_as_small_as_they_say():
    p_values = np.concatenate([coverage(*scene(seed), np.random.default_rng(seed)) for seed in range(12)])
    assert (p_values <= 0.05).mean() <= 0.08
    assert (p_values <= 0.2).mean() <= 0.25


def test_samples_elsewhere_in_one_space_are_unlike():
    assert np.median(coverage(*scene(0, shift=4), np.random.default_rng(0))) <= 2 / 61


def test_same_chance_same_p_values():
    first, second = (coverage(*scene(1), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_sample_without_windows_is_not_unlike():
    spaces, owner, training, production = scene(2)
    kept = owner != 130
    spaces = {name: values[kept] for name, values in spaces.items()}
    assert coverage(spaces, owner[kept], training, production, np.random.default_rng(0))[10] == 1


@pytest.mark.parametrize("training", [1, 2])
def test_hardly_any_training_says_nothing(training):
    p_values = coverage(*scene(3, training=training, production=5), np.random.default_rng(0))
    assert p_values.tolist() == [1] * 5


def test_nothing_that_ever_differs_says_nothing():
    _, owner, training, production = scene(3)
    p_values = coverage({}, owner, training, production, np.random.default_rng(0))
    assert p_values.tolist() == [1] * int(production.sum())


def test_fewer_reference_windows_say_the_same_of_most(monkeypatch):
    whole = coverage(*scene(0), np.random.default_rng(0))
    monkeypatch.setattr("foveal_audit.gaps.coverage._REFERENCES", 30)
    assert (coverage(*scene(0), np.random.default_rng(0)) != whole).any()
    assert np.median(coverage(*scene(0, shift=4), np.random.default_rng(0))) <= 2 / 61
    alike = np.concatenate([coverage(*scene(seed), np.random.default_rng(seed)) for seed in range(12)])
    assert (alike <= 0.05).mean() <= 0.08
