"""Where a unit's crops plainly look different, they are different facets."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest

from foveal_audit.units import facets
from foveal_audit.units.facets import SMALLEST, split_facets, split_node_windows, split_tones


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


def test_colours_that_lie_apart_are_two_and_a_gradation_is_one():
    rng = np.random.default_rng(1)
    plain = rng.normal(0, 0.02, (80, 4)).astype(np.float32)
    colours = plain.copy()
    colours[50:, 1] += 0.3
    assert split_tones(colours, seed=0).tolist() == [0] * 50 + [1] * 30
    gradation = plain.copy()
    gradation[:, 1] += np.linspace(0, 0.6, 80)
    assert not split_tones(gradation, seed=0).any()
    assert not split_tones(colours[50 - SMALLEST + 1 : 50 + SMALLEST], seed=0).any()
    assert not split_tones(np.ones((90, 4), np.float32), seed=0).any()


def noise(rng, size, apart=0.0):
    points = rng.normal(size=(size, 20)).astype(np.float32)
    points[size // 2 :, 0] += apart
    return points


@pytest.mark.parametrize("view", ["network", "shape", "tone"])
def test_kinds_that_separate_in_one_view_are_two_and_say_in_which(view):
    rng = np.random.default_rng(2)
    views = {name: noise(rng, 80, 30 * (name == view)) for name in ("network", "shape", "tone")}
    labels, formed = split_node_windows(views, seed=0)
    assert sorted(np.bincount(labels)) == [40, 40]
    assert len(set(labels[:40])) == len(set(labels[40:])) == 1
    embedding = "network" if view == "network" else "looks"
    assert all(one.separates == (embedding,) and one.stability == 1 for one in formed)


def test_kinds_of_two_views_cross_and_equal_ones_do_not_double():
    rng = np.random.default_rng(3)
    shape, tone = noise(rng, 120, 30), noise(rng, 120)
    tone[30:90, 1] += 30
    crossed, _ = split_node_windows({"shape": shape, "tone": tone}, seed=0)
    assert np.bincount(crossed).tolist() == [30, 30, 30, 30]
    same, _ = split_node_windows({"shape": shape, "tone": shape}, seed=0)
    assert np.bincount(same).tolist() == [60, 60]


def test_a_single_kind_has_no_rival_and_nothing_to_return():
    views = {"shape": noise(np.random.default_rng(4), 60)}
    labels, formed = split_node_windows(views, seed=0)
    assert not labels.any()
    assert [(one.stability, one.separation) for one in formed] == [(None, {})]
    nothing, none = split_node_windows({"shape": np.zeros((0, 3), np.float32)}, seed=0)
    assert (len(nothing), none) == (0, ())
