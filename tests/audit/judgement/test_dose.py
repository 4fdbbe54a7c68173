"""Dose and response, on a model that answers in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patch_bench import FACET, HOSTS, LOOKED_AT, PatchBench
from scipy.stats import linregress, spearmanr

from foveal_audit.judgement import dose
from foveal_audit.judgement.asking import PROBABILITY, Scale
from foveal_audit.judgement.dose import DOSES, STEPS, generator_dose, paste_dose, respond
from foveal_audit.judgement.transfer import transfer


def dosed(bench, scale=PROBABILITY):
    pasted = transfer(bench, FACET, HOSTS, 1, np.random.default_rng(1), 32)
    return paste_dose(bench, pasted, 1, scale)


def test_a_model_that_answers_in_proportion_has_a_straight_line():
    found = dosed(PatchBench())
    assert found.means == pytest.approx(DOSES, abs=0.02)
    assert found.slope.value == pytest.approx(1, abs=0.02)
    assert found.rank.value == pytest.approx(1)
    assert max(found.slope.p, found.rank.p) < 1e-6
    assert set(found.signals) == {"dose_slope", "dose_rank"}


def test_a_model_that_ignores_the_patch_has_none():
    found = dosed(PatchBench(box=(22, 22, 30, 30)))
    assert found.slope.value == pytest.approx(0, abs=0.01)
    assert found.rank.value == 0


def test_a_model_that_jumps_rises_by_ranks_as_well():
    class Jump(PatchBench):
        def chance(self, samples):
            return 0.1 + 0.8 * (super().chance(samples) > 0.6)

    found = dosed(Jump())
    assert found.means == pytest.approx([0.1, 0.1, 0.1, 0.9, 0.9])
    assert found.rank.value == pytest.approx(spearmanr(DOSES, found.means).statistic)


@given(st.integers(2, 9), st.integers(0, 99))
def test_slopes_and_ranks_are_those_of_the_textbook(levels, seed):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.normal(size=levels)), rng.integers(0, 4, (6, levels)).astype(float)
    y[:, 0] -= 0.5  # rows that never change have no rank correlation
    np.testing.assert_allclose(dose._slopes(x, y), [linregress(x, row).slope for row in y], atol=1e-9)
    np.testing.assert_allclose(dose._ranks(y), [spearmanr(x, row).statistic for row in y], atol=1e-9)


def test_answers_that_go_down_have_a_p_near_one():
    answers = [np.stack([np.full(9, level), np.full(9, -level)], axis=1) for level in (0.0, 1.0, 2.0)]
    for column, noise in enumerate(np.random.default_rng(0).normal(0, 0.1, (3, 9))):
        answers[column][:, 1] += noise
    found = respond((0, 1, 2), answers, 1, Scale(np.ones(2)), np.arange(9))
    assert found.slope.value == pytest.approx(-1, abs=0.1)
    assert found.slope.p > 0.999
    assert found.rank.value == -1


class BrightnessGenerator:
    """Draws flat crops: axis 0 is their brightness, axis 1 does nothing."""

    axis_sd = np.array([0.1, 1.0], np.float32)

    def draw(self, n, seed):
        return np.random.default_rng(seed).normal((0.5, 0), (0.02, 1), (n, 2)).astype(np.float32)

    def decode(self, z):
        return np.broadcast_to(z[:, 0, None, None, None].clip(0, 1), (len(z), 1, 8, 8)).astype(np.float32)


def walked(axis):
    generator = BrightnessGenerator()
    windows = [LOOKED_AT] * len(HOSTS)
    return generator_dose(generator, axis, PatchBench((8, 8, 12, 12)), HOSTS, windows, 1, PROBABILITY, 3)


def test_an_axis_that_the_model_looks_at_is_a_dose():
    """A deviation of .1 in brightness is .1 in probability: the middle of the window does not fade."""
    found = walked(0)
    assert found.doses == STEPS
    assert found.slope.value == pytest.approx(0.1, abs=0.005)
    assert found.rank.value == pytest.approx(1)
    assert found.slope.p < 1e-6


def test_an_axis_that_changes_nothing_is_none():
    found = walked(1)
    assert found.slope.value == pytest.approx(0, abs=1e-9)
    assert found.rank.value == 0
