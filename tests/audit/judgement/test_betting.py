"""E-values by betting: what they are worth by hand, and how seldom chance makes them large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveal_audit.judgement import betting
from foveal_audit.judgement.betting import evidence_above, evidence_below

DIFFERENCES = arrays(np.float64, st.integers(0, 30), elements=st.floats(-1, 1))


def gambler(differences, level, stakes):
    """Bet pair by pair with plain multiplication."""
    capitals = []
    for stake in stakes:
        capital = 1.0
        for difference in differences:
            capital *= 1 + stake / (1 + level) * (difference - level)
        capitals.append(capital)
    return np.mean(capitals)


@given(DIFFERENCES, st.sampled_from([-0.05, 0.0, 0.3]))
def test_the_capital_is_that_of_a_gambler(differences, level):
    found = evidence_above(differences, level)
    assert found == pytest.approx(gambler(differences, level, betting._STAKES), rel=1e-6, abs=1e-9)
    bold = evidence_above(differences, level, boldly=True)
    assert bold == pytest.approx(gambler(differences, level, [1.0]), rel=1e-6, abs=1e-9)


@given(DIFFERENCES)
def test_less_is_more_the_other_way_round(differences):
    assert evidence_below(differences, 0.05) == evidence_above(-differences, -0.05)


def test_nothing_seen_is_worth_nothing():
    assert evidence_above(np.zeros(0)) == evidence_below(np.zeros(0)) == 1
    assert evidence_above(np.zeros(100)) == pytest.approx(1)


def test_how_long_zeros_speak_against_an_effect_by_hand():
    """Every zero multiplies the bold capital by 1 + .05 / .95: 45 of them make 10."""
    assert (
        evidence_below(np.zeros(44), 0.05, boldly=True)
        < 10
        <= evidence_below(np.zeros(45), 0.05, boldly=True)
    )


def test_one_jump_the_other_way_ruins_the_bold():
    assert evidence_below(np.array([0.0] * 90 + [1.0]), 0.05, boldly=True) == pytest.approx(0, abs=1e-6)


def test_a_sure_effect_does_not_overflow():
    assert np.isfinite(evidence_above(np.ones(5000)))


@pytest.mark.parametrize("chance", [0.5, 0.05, 0.01])
def test_chance_makes_it_large_at_most_as_often_as_it_says(chance):
    """Differences of mean zero, skewed: +1 - chance seldom and -chance mostly; looked at after every pair."""
    rng = np.random.default_rng(0)
    reached = 0
    for _ in range(200):
        jumps = rng.uniform(size=100) < chance
        differences = jumps - chance
        reached += max(evidence_above(differences[:n]) for n in range(4, 101, 8)) >= 20
    assert reached / 200 <= 0.05
