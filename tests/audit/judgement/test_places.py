"""Where controls are taken, where crops are put, and in which order samples are used."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveal_audit.judgement.places import (
    Placed,
    any_place,
    border_place,
    control_window,
    in_rounds,
    is_fresh,
    overlap,
    same_place,
)

LABELS = arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 9))


def test_a_place_is_carried_over_in_proportion_and_stays_inside():
    host = np.zeros((32, 64, 1))
    assert same_place((8, 8, 16, 16), (64, 64, 1), host) == (4, 8, 8, 16)
    assert same_place((504, 504, 512, 512), (512, 512, 1), np.zeros((32, 32, 1))) == (31, 31, 32, 32)


@st.composite
def placements(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    window = (y0, x0, draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width)))
    return Placed(0, window, (window,)), (height, width, 1)


def is_alike_and_inside(found, window, shape):
    y0, x0, y1, x1 = found
    same = (y1 - y0, x1 - x0) == (window[2] - window[0], window[3] - window[1])
    return same and 0 <= y0 < y1 <= shape[0] and 0 <= x0 < x1 <= shape[1]


@given(placements(), st.integers(0, 50))
def test_a_control_is_as_large_and_inside(placement, seed):
    placed, shape = placement
    found = control_window(placed, shape, np.random.default_rng(seed))
    assert is_alike_and_inside(found, placed.window, shape)


@given(placements(), st.integers(0, 50))
def test_other_places_are_as_large_and_inside_and_at_the_border_where_asked(placement, seed):
    placed, shape = placement
    host, rng = np.zeros(shape, np.uint8), np.random.default_rng(seed)
    assert is_alike_and_inside(any_place(placed.window, host, rng), placed.window, shape)
    y0, x0, y1, x1 = found = border_place(placed.window, host, rng)
    assert is_alike_and_inside(found, placed.window, shape)
    assert y0 == 0 or x0 == 0 or y1 == shape[0] or x1 == shape[1]


def test_every_side_of_the_border_is_as_likely():
    host, rng = np.zeros((101, 101, 1), np.uint8), np.random.default_rng(0)
    sides = Counter(tuple(np.isin(border_place((0, 0, 9, 9), host, rng), (0, 101))) for _ in range(800))
    assert min(count for count in sides.values() if count > 50) > 140
    assert sum(count > 50 for count in sides.values()) == 4


def test_a_control_avoids_all_that_was_found():
    taken = ((0, 0, 16, 32), (16, 0, 32, 16))
    for seed in range(20):
        y0, x0, _, _ = control_window(
            Placed(0, (0, 0, 8, 8), taken), (32, 32, 1), np.random.default_rng(seed)
        )
        assert y0 >= 16
        assert x0 >= 16


@pytest.mark.parametrize(
    ("a", "b", "area"), [((0, 0, 4, 4), (2, 1, 9, 3), 4), ((0, 0, 2, 2), (2, 0, 4, 2), 0)]
)
def test_overlap_by_hand(a, b, area):
    assert overlap(a, b) == overlap(b, a) == area


@given(LABELS, st.integers(0, 70), st.integers(0, 9))
def test_every_sample_comes_once_before_any_comes_again(owners, number, seed):
    rows = in_rounds(owners, number, np.random.default_rng(seed))
    assert len(rows) == number
    first = owners[rows][: len(np.unique(owners))]
    assert len(np.unique(first)) == len(first)
    for start in range(0, number - number % len(owners), len(owners)):
        assert sorted(rows[start : start + len(owners)]) == list(range(len(owners)))


def test_rounds_by_hand():
    owners = np.array([5, 5, 5, 7, 8])
    chosen = owners[in_rounds(owners, 5, np.random.default_rng(3))]
    assert sorted(chosen[:3]) == [5, 7, 8]
    assert chosen[3:].tolist() == [5, 5]


@given(LABELS, st.integers(0, 9))
def test_a_pair_is_fresh_when_neither_sample_came_before(donors, seed):
    hosts = np.random.default_rng(seed).integers(0, 9, len(donors))
    loop = [
        d not in donors[:k] and h not in hosts[:k] for k, (d, h) in enumerate(zip(donors, hosts, strict=True))
    ]
    assert is_fresh(donors, hosts).tolist() == loop
