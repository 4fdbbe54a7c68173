"""Clusters that are there come back, others do not."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.units.stability import DOUBTFUL, STABLE, Choice, returning, stability, stable_number


def clouds(number, each=60, apart=10.0, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.stack([[np.cos(a), np.sin(a)] for a in np.arange(number) * 2 * np.pi / number]) * apart
    return np.concatenate([centre + rng.normal(size=(each, 2)) for centre in centres]).astype(np.float32)


def naive_returning(reference, drawn):
    found = []
    for label in range(max(reference) + 1):
        own = {n for n, one in enumerate(reference) if one == label}
        others = [{n for n, one in enumerate(drawn) if one == other} for other in set(drawn)]
        found.append(max(len(own & other) / len(own | other) for other in others))
    return found


def test_by_hand():
    """The first cluster keeps 2 of 3, the second gains that one: 2/3 and 2/3."""
    assert returning(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 2, 2, 2])).tolist() == [2 / 3, 2 / 3]
    assert returning(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])).tolist() == [1, 1]  # names do not matter
    assert returning(np.array([0, 2]), np.array([0, 1])).tolist() == [1, 0, 1]


def test_is_what_sets_say():
    rng = np.random.default_rng(1)
    for _ in range(20):
        reference, drawn = rng.integers(0, 4, 30), rng.integers(0, 5, 30)
        reference[:4] = range(4)
        np.testing.assert_allclose(returning(reference, drawn), naive_returning(reference, drawn))


def test_only_the_cluster_that_falls_apart_is_unstable():
    labels = np.repeat([0, 1, 2], 40)
    chance = np.random.default_rng(2)

    def cluster(rows):
        found = labels[rows].copy()
        found[found == 2] = 2 + chance.integers(0, 4, (found == 2).sum())
        return found

    first, second, third = stability(labels, cluster, rng=np.random.default_rng(0))
    assert first == second == 1
    assert third < DOUBTFUL


def test_subsamples_are_as_large_as_told():
    seen = []

    def cluster(rows):
        seen.append(len(rows))
        return np.zeros(len(rows), np.int64)

    stability(np.zeros(100, np.int64), cluster, rng=np.random.default_rng(0), draws=2)
    stability(np.zeros(100, np.int64), cluster, rng=np.random.default_rng(0), draws=1, size=50)
    stability(np.zeros(100, np.int64), cluster, rng=np.random.default_rng(0), draws=1, size=900)
    assert seen == [80, 80, 40, 80]


@pytest.mark.parametrize("number", [4, 6, 9])
def test_as_many_clusters_as_there_are_clouds(number):
    choice = stable_number(clouds(number), (2, 4, 6, 9, 13), seed=0)
    assert choice.number == number
    assert choice.is_stable
    assert choice.weakest >= 0.95


def test_one_cloud_has_no_number_that_is_stable():
    cloud = np.random.default_rng(3).normal(size=(600, 6)).astype(np.float32)
    choice = stable_number(cloud, (4, 8, 12, 16), seed=0)
    assert choice.number == 4
    assert choice.stability < STABLE
    assert not choice.is_stable


def test_same_seed_same_choice_and_a_sample_says_the_same():
    points = clouds(5, each=2000)
    first, second = (stable_number(points, (3, 5, 8), seed=4) for _ in range(2))
    assert first == second
    assert first.number == 5


def test_stable_in_the_mean_is_not_enough():
    assert Choice(3, STABLE, DOUBTFUL).is_stable
    assert not Choice(3, STABLE, DOUBTFUL - 0.01).is_stable
    assert not Choice(3, STABLE - 0.01, DOUBTFUL).is_stable
