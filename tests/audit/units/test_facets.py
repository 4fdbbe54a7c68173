"""Where a unit's crops plainly look different, they are different facets."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest

from foveal_audit.units import facets
from foveal_audit.units.facets import SMALLEST, split_facets


def clouds(*sizes, spread=0.1, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), 20)) * 3
    parts = [centre + rng.normal(0, spread, (size, 20)) for centre, size in zip(centres, sizes, strict=True)]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("sizes", [(30, 50), (20, 40, 30)])
def test_clouds_become_facets_the_largest_first(sizes):
    labels = split_facets(clouds(*sizes), seed=0)
    assert np.bincount(labels).tolist() == sorted(sizes, reverse=True)
    starts = np.cumsum([0, *sizes])
    assert all(len(set(labels[a:b])) == 1 for a, b in pairwise(starts))


@pytest.mark.parametrize("seed", range(5))
def test_one_cloud_stays_whole(seed):
    assert not split_facets(clouds(200, spread=1, seed=seed), seed=seed).any()


def test_too_few_and_too_small_are_not_split():
    assert not split_facets(clouds(SMALLEST, SMALLEST - 1), seed=0).any()
    assert not split_facets(clouds(100, SMALLEST - 1), seed=0).any()
    assert split_facets(clouds(SMALLEST, SMALLEST), seed=0).any()


def test_copies_are_one_facet_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not split_facets(np.ones((60, 20), np.float32), seed=0).any()
        two = np.repeat(clouds(1, 1), [40, 30], axis=0)
        assert np.bincount(split_facets(two, seed=0)).tolist() == [40, 30]


def test_many_entries_are_judged_by_some_of_them(monkeypatch):
    monkeypatch.setattr(facets, "_JUDGED", 60)
    seen = []
    score = facets.silhouette_score
    monkeypatch.setattr(
        facets,
        "silhouette_score",
        lambda *args, **how: seen.append(how["sample_size"]) or score(*args, **how),
    )
    assert np.bincount(split_facets(clouds(90, 110), seed=0)).tolist() == [110, 90]
    assert seen == [60, 60]
