"""Contribution vectors to clusters."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.units.contribution import choose_units, directions, fit_units


def test_directions_have_length_one_and_nothing_stays_nothing():
    flow = directions(np.array([[3, 4], [0, 0], [0.0006, 0.0008]], np.float32))
    np.testing.assert_allclose(flow, [[0.6, 0.8], [0, 0], [0.6, 0.8]], atol=1e-6)


def test_strength_does_not_matter_only_direction():
    rng = np.random.default_rng(0)
    angle = np.repeat([0.1, 1.4], 60) + rng.normal(0, 0.02, 120)
    vectors = rng.uniform(0.1, 50, (120, 1)) * np.stack([np.cos(angle), np.sin(angle)], 1)
    labels = fit_units(vectors.astype(np.float32), seed=0, units=2).labels_
    assert len(set(labels[:60])) == len(set(labels[60:])) == 1
    assert labels[0] != labels[60]


@pytest.mark.parametrize(("windows", "units"), [(1, 1), (24, 1), (75, 3), (600, 20)])
def test_no_unit_for_fewer_than_25_windows(windows, units):
    vectors = np.random.default_rng(1).normal(size=(windows, 5)).astype(np.float32)
    assert fit_units(vectors, seed=0).n_clusters == units


def test_same_seed_same_units():
    vectors = np.random.default_rng(2).normal(size=(200, 8)).astype(np.float32)
    first, second = (fit_units(vectors, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.labels_, second.labels_)


@pytest.mark.parametrize(("flows", "units"), [(4, 20), (20, 20), (30, 30), (40, 40)])
def test_as_many_units_as_ways_in_which_evidence_flows_and_the_usual_number_at_least(flows, units):
    ways = np.eye(40)[np.arange(1000) % flows] + np.random.default_rng(3).normal(0, 0.01, (1000, 40))
    assert choose_units(ways.astype(np.float32), 2, seed=0) == units


def test_more_classes_have_more_units_to_choose_from():
    ways = np.eye(32)[np.arange(800) % 32] + np.random.default_rng(4).normal(0, 0.01, (800, 32))
    assert choose_units(ways.astype(np.float32), 8, seed=0) == 32


@pytest.mark.parametrize(("windows", "units"), [(1, 1), (24, 1), (60, 2)])
def test_few_windows_leave_nothing_to_choose(windows, units):
    vectors = np.random.default_rng(5).normal(size=(windows, 5)).astype(np.float32)
    assert choose_units(vectors, 2, seed=0) == units


def test_copies_are_one_unit():
    assert choose_units(np.ones((500, 4), np.float32), 2, seed=0) == 1
