"""Which samples a facet is held against: any of a picture, of a trace those in which its place is free."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement.hosts import hosts_for
from foveal_audit.judgement.places import Placed, in_rounds, overlap

SHAPES = {1: (100, 1), 2: (100, 100, 1), 3: (100, 100, 100, 1)}


class Shelf:
    """Samples of one size."""

    def __init__(self, axes):
        self.sample = np.broadcast_to(np.float32(0), SHAPES[axes])

    def pixels(self, sample):
        return self.sample


def chosen(window, hosts, found, number=None, seed=0):
    placed = [Placed(0, window, ())] * (number or len(hosts))
    return hosts_for(Shelf(len(window) // 2), placed, hosts, found, np.random.default_rng(seed)).tolist()


def test_of_traces_those_come_first_that_are_free_at_the_place():
    found = dict.fromkeys(range(10), ((20, 60),)) | dict.fromkeys(range(10, 15), ((60, 90),))
    hosts = chosen((10, 50), range(20), found)
    assert set(hosts[:10]) == set(range(10, 20))
    assert set(hosts[10:]) == set(range(10))


def test_where_none_is_free_that_with_least_at_the_place_is_taken():
    found = {number: ((number, 40),) for number in range(20)}
    assert chosen((0, 40), range(20), found, number=3) == [19, 18, 17]


def test_a_host_comes_again_only_when_all_were_used():
    hosts = chosen((0, 10), range(7), {}, number=21)
    assert [sorted(hosts[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3


@pytest.mark.parametrize("axes", [2, 3])
def test_of_pictures_and_volumes_hosts_come_in_rounds_whatever_they_show(axes):
    window = (10,) * axes + (50,) * axes
    hosts = np.arange(5, 25)
    rows = in_rounds(hosts, 20, np.random.default_rng(3))
    assert chosen(window, hosts, dict.fromkeys(range(15), (window,)), seed=3) == hosts[rows].tolist()


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10)), min_size=1, max_size=40),
    st.integers(0, 80),
    st.integers(0, 99),
)
def test_no_host_left_over_in_the_first_round_is_freer_than_the_one_taken(windows, start, seed):
    found = {number: ((low, low + long),) for number, (low, long) in enumerate(windows)}
    place, hosts = (start, start + 20), list(range(len(windows)))
    shared = [overlap(place, found[number][0]) for number in chosen(place, hosts, found, seed=seed)]
    assert shared == sorted(shared, key=bool)
    held = [size for size in shared if size]
    assert held == sorted(held)
