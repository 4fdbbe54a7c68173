"""One piece of work ahead: in order, no more than one, and what fails fails in its turn."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.library.lookahead import ahead


@given(st.lists(st.integers(), max_size=6))
def test_it_is_a_map(items):
    assert list(ahead(str, items)) == list(map(str, items))


def test_the_next_is_made_while_the_caller_has_the_last():
    made = {number: threading.Event() for number in range(4)}

    def make(number):
        made[number].set()
        return number

    for number in ahead(make, made):
        if number + 1 in made:
            assert made[number + 1].wait(30)
        if number + 2 in made:
            assert not made[number + 2].wait(0.05)


def test_what_fails_is_raised_in_its_turn():
    def make(number):
        if number == 2:
            raise ValueError("two")
        return number

    made = ahead(make, range(5))
    seen = [next(made), next(made)]
    with pytest.raises(ValueError, match="two"):
        next(made)
    assert seen == [0, 1]


def test_who_stops_half_way_waits_for_what_is_in_the_making():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def make(number):
        if number:
            begun.set()
            go_on.wait(30)
        done.append(number)
        return number

    threading.Timer(0.2, go_on.set).start()
    with closing(ahead(make, range(5))) as made:
        assert next(made) == 0
        assert begun.wait(30)
    assert done == [0, 1]
