"""Bars drawn by style classes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.schema import Effect
from foveal_audit.report.bars import axis_of, bar, percent_classes

numbers = st.floats(-1, 1).map(lambda value: round(value, 4))


def test_a_bar_by_hand():
    effect = Effect(estimate=0.5, low=0.25, high=0.75, controls=0.0)
    drawn = bar(effect, (0.0, 1.0))
    assert (drawn.zero, drawn.left, drawn.width, drawn.estimate, drawn.control) == (0, 25, 50, 50, 0)
    assert drawn.ends == (0.0, 1.0)


def test_without_a_control_none_is_drawn():
    assert bar(Effect(estimate=1, low=1, high=1), (0.0, 1.0)).control is None


@given(st.lists(st.tuples(numbers, numbers, numbers, st.none() | numbers), min_size=1, max_size=4))
def test_everything_lies_on_the_axis(values):
    effects = [Effect(estimate=b, low=min(a, c), high=max(a, c), controls=d) for a, b, c, d in values]
    axis = axis_of(effects)
    for effect in effects:
        drawn = bar(effect, axis)
        places = [drawn.zero, drawn.left, drawn.left + drawn.width, drawn.estimate, drawn.control or 0]
        assert all(0 <= place <= 100 for place in places)
        assert drawn.width >= 1


def test_every_place_has_its_class():
    rules = percent_classes()
    assert re.findall(r"\.at-(\d+)\{left:(\d+)%\}", rules) == [(str(n), str(n)) for n in range(101)]
    assert re.findall(r"\.wide-(\d+)\{width:(\d+)%\}", rules) == [(str(n), str(n)) for n in range(101)]


@pytest.mark.parametrize("estimate", [0.0, -0.5, 0.5])
def test_no_effect_at_all_still_has_an_axis(estimate):
    effect = Effect(estimate=estimate, low=estimate, high=estimate)
    low, high = axis_of([effect])
    assert low < 0 < high or (low < estimate < high)
