"""Causal tests on a model whose answer is known by hand: it looks at one patch and at nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement import causal
from foveal_audit.judgement.causal import (
    Placed,
    ask,
    control_window,
    mediation,
    paste_effect,
    paste_pairs,
    removal_effect,
)
from foveal_audit.units.unit import Unit

#: The facet's windows, and inside them what the model looks at, clear of the border that fades.
BOX, LOOKED_AT = (2, 2, 18, 18), (6, 6, 14, 14)
UNIT = Unit("contribution:0", "conv", (0,), local=True)


class LinearBench:
    """Class 1 has the mean of one patch, scaled to 0 to 1, as its probability; half the samples show it."""

    def __init__(self, box=LOOKED_AT, shapes=((32, 32, 1),), shown=40, passes_unit=1.0):
        rng = np.random.default_rng(0)
        self.box, self.passes_unit = box, passes_unit
        self.samples = []
        for number in range(80):
            image = rng.integers(0, 3, shapes[number % len(shapes)], dtype=np.uint8)
            if number < shown:
                image[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 255
            self.samples.append(image)

    def pixels(self, sample):
        return self.samples[sample]

    def probabilities(self, samples):
        y0, x0, y1, x1 = self.box
        p = np.array([s[y0:y1, x0:x1].mean() / 255 for s in samples])
        return np.stack([1 - p, p], axis=1)

    def probabilities_held(self, changed, clean, windows, unit):
        now, before = self.probabilities(changed), self.probabilities(clean)
        return self.passes_unit * before + (1 - self.passes_unit) * now


FACET = [Placed(number, BOX, (BOX,)) for number in range(40)]
HOSTS = list(range(40, 80))


def paste(bench, facet=FACET, pairs=64):
    rng = np.random.default_rng(1)
    pasted = paste_pairs(bench, facet, HOSTS, rng, pairs)
    answers = ask(bench, pasted, 1)
    return pasted, answers, paste_effect(pasted, answers)


def test_the_patch_a_model_looks_at_is_necessary():
    effect = removal_effect(LinearBench(), FACET, HOSTS, np.random.default_rng(0), 30)
    assert 0.95 < effect.low <= effect.estimate <= effect.high <= 1
    assert abs(effect.controls) < 0.1
    assert effect.p < 1e-6
    assert effect.pairs == 30


def test_the_patch_a_model_looks_at_is_sufficient():
    _, answers, effect = paste(LinearBench())
    assert 0.95 < effect.low <= effect.estimate <= effect.high <= 1
    assert abs(effect.controls) < 0.1
    assert answers.clean.max() < 0.02


def test_a_small_patch_loses_what_fades_at_its_border():
    """Of 8 x 8 pixels 28 keep a quarter, 20 a half, 12 three quarters and 4 all of the patch: 30 / 64."""
    box = (4, 4, 12, 12)
    _, _, effect = paste(LinearBench(box=box), [Placed(number, box, (BOX,)) for number in range(40)])
    assert effect.estimate == pytest.approx(30 / 64, abs=0.01)


def test_a_patch_that_the_model_ignores_has_no_effect():
    elsewhere = LinearBench(box=(22, 22, 30, 30))
    removal = removal_effect(elsewhere, FACET, HOSTS, np.random.default_rng(0), 30)
    _, _, brought = paste(elsewhere)
    assert removal.estimate == pytest.approx(0, abs=0.02)
    assert brought.estimate == pytest.approx(0, abs=0.05)
    assert brought.low <= 0.02


def test_removal_asks_for_the_class_that_was_predicted():
    """Of samples without the patch class 0 is predicted; blackening the patch takes nothing from it."""
    hidden = [Placed(number, BOX, (BOX,)) for number in range(40, 80)]
    effect = removal_effect(LinearBench(), hidden, HOSTS, np.random.default_rng(0), 30)
    assert effect.estimate == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("through", [1.0, 0.6, 0.0])
def test_mediation_is_the_share_that_passes_through_the_unit(through):
    bench = LinearBench(passes_unit=through)
    pasted, answers, _ = paste(bench)
    effect = mediation(bench, pasted, answers, 1, UNIT, np.random.default_rng(2))
    assert effect.estimate == pytest.approx(through, abs=1e-9)
    assert effect.low <= effect.estimate <= effect.high
    assert (effect.p < 0.01) is (through > 0)


def test_mediation_of_no_effect_lies_between_nothing_and_all():
    bench = LinearBench(box=(22, 22, 30, 30))
    pasted, answers, _ = paste(bench)
    effect = mediation(bench, pasted, answers, 1, UNIT, np.random.default_rng(2))
    assert 0 <= effect.low <= effect.estimate <= effect.high <= 1


def test_same_seed_same_effect():
    first, second = (removal_effect(LinearBench(), FACET, HOSTS, np.random.default_rng(7)) for _ in range(2))
    assert first == second
    assert paste(LinearBench())[2] == paste(LinearBench())[2]


def test_samples_are_not_changed():
    bench = LinearBench()
    before = [sample.copy() for sample in bench.samples]
    removal_effect(bench, FACET, HOSTS, np.random.default_rng(0), 20)
    paste(bench)
    assert all(np.array_equal(a, b) for a, b in zip(before, bench.samples, strict=True))


def test_pairs_are_limited_by_the_windows_there_are():
    assert removal_effect(LinearBench(), FACET[:7], HOSTS, np.random.default_rng(0), 50).pairs == 7
    assert paste(LinearBench(), FACET[:7], pairs=50)[2].pairs == 50


@pytest.mark.parametrize("shapes", [((32, 32, 1), (24, 48, 1)), ((24, 24, 3), (40, 40, 1), (64, 20, 4))])
def test_samples_of_many_shapes_can_be_mixed(shapes):
    bench = LinearBench(shapes=shapes)
    pasted, _, _ = paste(bench)
    for clean, after, window in zip(pasted.clean, pasted.with_facet, pasted.windows, strict=True):
        assert after.shape == clean.shape
        assert 0 <= window[0] < window[2] <= clean.shape[0]
        assert 0 <= window[1] < window[3] <= clean.shape[1]
    removal_effect(bench, FACET, HOSTS, np.random.default_rng(0), 20)


def test_a_place_is_carried_over_in_proportion_and_stays_inside():
    host = np.zeros((32, 64, 1))
    assert causal._same_place((8, 8, 16, 16), (64, 64, 1), host) == (4, 8, 8, 16)
    assert causal._same_place((504, 504, 512, 512), (512, 512, 1), np.zeros((32, 32, 1))) == (31, 31, 32, 32)


@st.composite
def placements(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    window = (y0, x0, draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width)))
    return Placed(0, window, (window,)), (height, width, 1)


@given(placements(), st.integers(0, 50))
def test_a_control_is_as_large_and_inside(placement, seed):
    placed, shape = placement
    y0, x0, y1, x1 = control_window(placed, shape, np.random.default_rng(seed))
    assert 0 <= y0 < y1 <= shape[0]
    assert 0 <= x0 < x1 <= shape[1]
    assert (y1 - y0, x1 - x0) == (
        placed.window[2] - placed.window[0],
        placed.window[3] - placed.window[1],
    )


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
    assert causal._overlap(a, b) == causal._overlap(b, a) == area
