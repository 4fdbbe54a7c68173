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
    axes = draw(st.integers(1, 3))
    sides = [draw(st.integers(1, (40, 40, 12)[axes - 1])) for _ in range(axes)]
    starts = [draw(st.integers(0, side - 1)) for side in sides]
    ends = [draw(st.integers(start + 1, side)) for start, side in zip(starts, sides, strict=True)]
    window = (*starts, *ends)
    return Placed(0, window, (window,)), (*sides, 1)


def is_alike_and_inside(found, window, shape):
    axes = len(shape) - 1
    (low, high), (before, after) = ((np.array(box[:axes]), np.array(box[axes:])) for box in (found, window))
    return (high - low == after - before).all() and (low >= 0).all() and (high <= shape[:axes]).all()


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
    found = border_place(placed.window, host, rng)
    assert is_alike_and_inside(found, placed.window, shape)
    axes = len(shape) - 1
    assert 0 in found[:axes] or any(np.equal(found[axes:], shape[:axes]))


@given(placements(), st.integers(0, 50))
def test_what_two_windows_share_is_what_a_count_finds(placement, seed):
    (placed, shape), rng = placement, np.random.default_rng(seed)
    other = any_place(placed.window, np.zeros(shape, np.uint8), rng)
    covered = np.zeros(shape[:-1], int)
    for window in (placed.window, other):
        axes = len(window) // 2
        covered[tuple(slice(*ends) for ends in zip(window[:axes], window[axes:], strict=True))] += 1
    assert overlap(placed.window, other) == (covered == 2).sum()


@pytest.mark.parametrize(
    ("window", "shape", "host", "there"),
    [
        ((10, 20), (100, 2), (50, 2), (5, 10)),
        ((95, 100), (100, 1), (3, 1), (2, 3)),
        ((0, 4, 8, 4, 8, 12), (8, 16, 16, 1), (16, 16, 8, 1), (0, 4, 4, 8, 8, 6)),
    ],
)
def test_places_of_traces_and_volumes_are_carried_over_in_proportion(window, shape, host, there):
    assert same_place(window, shape, np.zeros(host)) == there


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
