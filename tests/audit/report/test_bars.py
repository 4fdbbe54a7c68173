"""Bars drawn by style classes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.schema import Effect
from foveal_audit.report.bars import axis_of, bar, percent_classes
from foveal_audit.report.wording import change

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


@pytest.mark.parametrize(
    ("estimate", "low", "high", "place"),
    [(0.0, 0.0, 0.0, 50), (0.004, 0.0, 0.004, 54), (-0.0049, -0.0049, 0.0, 45), (0.001, -0.002, 0.003, 51)],
)
def test_an_effect_written_as_nothing_lies_at_zero_on_an_axis_with_ends(estimate, low, high, place):
    effect = Effect(estimate=estimate, low=low, high=high, controls=0.0)
    axis = axis_of([effect])
    assert [change(end) for end in axis] == ["\u22120.05", "0.05"]
    drawn = bar(effect, axis)
    assert (drawn.zero, drawn.control, drawn.estimate) == (50, 50, place)
    assert abs(drawn.left - 50) <= 5
    assert drawn.width <= 5


def test_an_effect_that_is_written_has_an_axis_of_its_own_size():
    assert axis_of([Effect(estimate=0.005, low=0.0, high=0.005)]) == pytest.approx((-0.0002, 0.0052))


@pytest.mark.parametrize("estimate", [0.0, -0.5, 0.5])
def test_no_effect_at_all_still_has_an_axis(estimate):
    effect = Effect(estimate=estimate, low=estimate, high=estimate)
    low, high = axis_of([effect])
    assert low < 0 < high or (low < estimate < high)
