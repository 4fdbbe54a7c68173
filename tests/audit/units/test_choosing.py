"""Libraries that differ most."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.units.choosing import library_differences, most_different


def library(*found, side=16):
    """Make windows at (sample, y, x), each a quarter of a sample of 32 x 32 wide and high."""
    boxes = [(y, x, y + side, x + side) for _, y, x in found]
    crops = [noise_crop(np.random.default_rng(0))] * len(found)
    return make_windows(crops, owner=[one[0] for one in found], boxes=boxes)


SAMPLES = make_samples(["training"] * 4, shape=(32, 32, 1))


def differences(*libraries):
    return library_differences(libraries, SAMPLES)


def smallest(difference, chosen):
    return min((difference[a, b] for a, b in combinations(chosen, 2)), default=np.inf)


def test_the_same_places_are_no_difference_and_other_samples_all():
    one, again = library((0, 0, 0), (1, 8, 8)), library((1, 8, 8), (0, 0, 0))
    elsewhere, other_place = library((2, 0, 0), (3, 8, 8)), library((0, 16, 16))
    difference = differences(one, again, elsewhere, other_place)
    np.testing.assert_allclose(difference[0], [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(difference, difference.T)


def test_half_of_the_windows_shared_by_hand():
    """Cosine of two equal windows of which one is shared: 1 / 2."""
    difference = differences(library((0, 0, 0), (1, 0, 0)), library((0, 0, 0), (2, 0, 0)))
    assert difference[0, 1] == pytest.approx(0.5**0.5)


def test_a_place_covered_twice_counts_once():
    difference = differences(library((0, 0, 0), (0, 0, 0)), library((0, 0, 0)))
    assert difference[0, 1] == pytest.approx(0, abs=1e-6)


def test_windows_that_cut_cells_cover_a_part_of_them():
    """One cell is 4 x 4: a window shifted by 2 covers half cells at its borders."""
    difference = differences(library((0, 0, 0), side=4), library((0, 2, 0), side=4))
    # covered: (1, 0) and (.5, .5): cosine .5 / sqrt(.5)
    assert difference[0, 1] == pytest.approx((1 - 0.5**0.5) ** 0.5, rel=1e-5)


def test_no_libraries_and_empty_ones():
    assert library_differences([], SAMPLES).shape == (0, 0)
    one = library((0, 0, 0))
    difference = differences(one.take(np.zeros(1, bool)), one)
    assert difference.tolist() == [[0, 1], [1, 0]]


points = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9)


@settings(max_examples=150, deadline=None)
@given(points, st.integers(1, 5))
def test_at_least_half_of_what_trying_everything_finds(places, number):
    at = np.array(places, dtype=float)
    difference = np.linalg.norm(at[:, None] - at[None], axis=2)
    number = min(number, len(at))
    chosen = most_different(difference, number)
    assert len(set(chosen)) == number
    assert chosen[0] == 0
    every = [(0, *rest) for rest in combinations(range(1, len(at)), number - 1)]
    best = max(smallest(difference, one) for one in every)
    assert smallest(difference, chosen) >= best / 2
    assert chosen == most_different(difference, number)


def test_an_exchange_mends_what_farthest_first_spoils():
    """From 0 the farthest is 1, though 2 and 3 are nearly as far and lie farther apart from each other."""
    angle = np.radians([0, 0, 30, -30])
    at = np.array([0, 10, 9.9, 9.9])[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    difference = np.linalg.norm(at[:, None] - at[None], axis=2)
    assert sorted(most_different(difference, 3)) == [0, 2, 3]
    assert most_different(difference, 2) == [0, 1]


def test_all_where_there_are_not_more_and_what_is_kept_stays():
    difference = 1 - np.eye(3)
    assert most_different(difference, 9) == [0, 1, 2]
    assert most_different(difference, 2, kept=(2,))[0] == 2
    assert most_different(difference, 2, kept=(2, 1)) == [2, 1]
