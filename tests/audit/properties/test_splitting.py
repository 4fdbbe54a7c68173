"""Who carries a property, on statistics made up so that the answer is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from foveal_audit.properties.splitting import BOUNDS, Split, best_threshold, find_splits, ubiquity


def everywhere(rng, carries, tiles=16, shift=6.0):
    """Give a statistic that is raised in all tiles of carriers."""
    return (rng.normal(size=(len(carries), tiles)) + shift * carries[:, None]).astype(np.float32)


def somewhere(rng, carries, tiles=16, shift=6.0):
    """Give a statistic that is raised in one tile of carriers, another each time."""
    values = rng.normal(size=(len(carries), tiles))
    values[np.flatnonzero(carries), rng.integers(0, tiles, carries.sum())] += shift
    return values.astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def own():
    return np.arange(300) % 3 == 1


@pytest.fixture
def carries(own):
    """Seven of ten of the class and three of a hundred others."""
    rng = np.random.default_rng(7)
    return np.where(own, rng.uniform(size=300) < 0.7, rng.uniform(size=300) < 0.03)


def test_a_property_of_most_of_a_class_is_found_with_its_carriers(rng, own, carries):
    measured = {"other": everywhere(rng, np.zeros(300, bool)), "noise": everywhere(rng, carries)}
    (split,) = find_splits(measured, own, rng)
    assert (split.name, split.sign) == ("noise", 1)
    assert (split.carries == carries).mean() > 0.99
    assert split.p <= 1e-6
    assert split.ubiquity[0] > 0.95
    assert split.purity > 0.9


def test_little_of_something_is_a_property_too(rng, own, carries):
    (split,) = find_splits({"noise": -everywhere(rng, carries)}, own, rng)
    assert split.sign == -1
    assert (split.carries == carries).mean() > 0.99


def test_what_lies_somewhere_is_no_property(rng, own, carries):
    assert find_splits({"noise": somewhere(rng, carries)}, own, rng) == []


def test_what_goes_with_no_class_is_no_property(rng, own):
    balanced = rng.uniform(size=300) < 0.3
    assert find_splits({"noise": everywhere(rng, balanced)}, own, rng) == []


def test_a_shift_without_two_groups_is_no_property(rng, own):
    shade = rng.normal(size=300) + 1.5 * own
    values = (shade[:, None] + 0.05 * rng.normal(size=(300, 16))).astype(np.float32)
    assert find_splits({"brightness": values}, own, rng) == []


def test_the_absence_of_what_the_other_classes_have_is_not_reported_twice(rng, own, carries):
    for other in (np.arange(300) % 3 == 0, np.arange(300) % 3 == 2):
        assert find_splits({"noise": everywhere(rng, carries)}, other, rng) == []


def test_two_properties_of_a_class_are_found_one_after_the_other(rng, own):
    first, second = own & (np.arange(300) % 2 == 0), own & (np.arange(300) % 2 == 1)
    measured = {"noise": everywhere(rng, first), "tint": everywhere(rng, second)}
    assert sorted(split.name for split in find_splits(measured, own, rng)) == ["noise", "tint"]


def test_two_statistics_of_one_property_are_one(rng, own, carries):
    measured = {"noise": everywhere(rng, carries), "strokes": everywhere(rng, carries)}
    assert len(find_splits(measured, own, rng)) == 1


def test_chance_finds_a_property_as_rarely_as_it_should(own):
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        measured = {f"{n}": everywhere(rng, rng.uniform(size=300) < 0.3) for n in range(5)}
        found += bool(find_splits(measured, rng.permutation(own), rng))
    assert found == 0


def naive_threshold(scores, own, fewest):
    values = np.unique(scores)
    best = (0.0, float(values[-1]))
    gains = []
    for low, high in pairwise(values):
        above = scores >= high
        total, many, size = len(own), own.sum(), above.sum()
        if size < fewest:
            continue
        expected = many * size / total
        variance = expected * (total - size) / total * (total - many) / (total - 1)
        gains.append((((above & own).sum() - expected) / variance**0.5, (low + high) / 2))
    return max(gains, default=best)


@pytest.mark.parametrize("fewest", [1, 20])
def test_the_threshold_is_that_of_trying_all(rng, fewest):
    for _ in range(20):
        scores = rng.integers(0, 30, 120).astype(float)
        own = rng.uniform(size=120) < 0.3
        gain, threshold = naive_threshold(scores, own, fewest)
        assert best_threshold(scores, own, fewest) == pytest.approx((threshold, gain))


def test_equal_scores_have_no_threshold():
    assert best_threshold(np.ones(10), np.arange(10) < 5) == (1.0, 0.0)


def test_ubiquity_of_hand_made_tiles():
    values = np.array([[0, 0, 0], [0, 0, 0], [9, 9, 9], [9, 9, 9]], dtype=np.float32)
    assert ubiquity(values, 1, 5.0)[0] == 1.0
    values[2:, 0] = (0, 9)  # one tile tells half of them: AUROC 3/4
    assert ubiquity(values, 1, 4.0)[0] == pytest.approx(0.5)


def test_tiles_that_do_not_count_are_left_out():
    rng = np.random.default_rng(0)
    carries = np.arange(60) < 20
    values = everywhere(rng, carries)
    told = ubiquity(values, 1, 3.0)
    values[::2, 3] = np.nan
    assert ubiquity(values, 1, 3.0)[0] == pytest.approx(told[0], abs=0.05)


def test_a_normal_distribution_cut_at_or_above_its_middle_is_not_far_enough():
    shade = norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None].astype(np.float32)
    distances = [
        Split("shade", 1, threshold, shade, shade[:, 0] > 0, 0.0).distance
        for threshold in np.linspace(0, 2, 9)
    ]
    assert max(distances) < 2.7 < BOUNDS.distance


def test_a_class_that_shades_off_is_unlike_the_others(rng, own):
    sharp = everywhere(rng, own & (np.arange(300) % 2 == 0))
    soft = (2.0 * own[:, None] + rng.normal(size=(300, 1)) + np.zeros((300, 16))).astype(np.float32)
    assert Split("sharp", 1, 3.0, sharp, own, 0.0).likeness > 0.7
    assert Split("soft", 1, 2.0, soft, own, 0.0).likeness < 0.5


def test_distance_ends_where_the_rest_are_all_alike():
    values = np.repeat([[0.0], [1.0]], 20, axis=0).astype(np.float32)
    assert Split("tone", 1, 0.5, values, values[:, 0] > 0, 0.0).distance == 100
