"""The family-wise test against hold-outs of training."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.gaps.hold_outs import (
    HOLD_OUTS,
    family_wise_p,
    hold_out_strengths,
    strength,
    strongest_find,
)


def naive(foreign):
    """Walk along the order and compare two binomial rates with one."""
    best, (n, m) = 0.0, (foreign.sum(), (~foreign).sum())

    def divergence(some, all_, rate):
        parts = ((some, rate), (all_ - some, 1 - rate))
        return sum(x * np.log(x / (all_ * q)) for x, q in parts if x > 0)

    for size in range(1, len(foreign) + 1):
        a = foreign[:size].sum()
        b = size - a
        if a >= 5 and a / n > b / m:
            best = max(best, divergence(a, n, size / (n + m)) + divergence(b, m, size / (n + m)))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_as_the_naive_walk(seed):
    foreign = np.random.default_rng(seed).random(60) < np.linspace(0.7, 0.1, 60)
    assert strongest_find(foreign[None])[0] == pytest.approx(naive(foreign))


def test_ties_favour_nobody():
    assert strength(np.ones(50), np.ones(50)) == 0
    assert strength(np.ones(50), np.zeros(50)) == pytest.approx(100 * np.log(2))


def test_p_counts_the_hold_outs():
    assert family_wise_p(3.0, np.array([1.0, 2.0, 3.0])) == 0.5
    assert family_wise_p(9.0, np.array([1.0, 2.0, 3.0])) == 0.25


def test_training_against_itself_is_significant_as_often_as_said():
    """Production like training, in three orders at a time: a twentieth of all is below .05."""
    below = 0
    for run in range(40):
        rng = np.random.default_rng(run)
        trained, produced = rng.normal(size=(3, 120)), rng.normal(size=(3, 60))
        null = hold_out_strengths(list(trained), 60, rng)
        assert len(null) == HOLD_OUTS
        found = max(strength(own, usual) for own, usual in zip(produced, trained, strict=True))
        below += family_wise_p(found, null) <= 0.05
    assert below <= 6
