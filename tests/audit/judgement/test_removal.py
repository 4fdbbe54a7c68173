"""Necessity on a model whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from patch_bench import FACET, HOSTS, PatchBench, logits_of

from foveal_audit.judgement.asking import Scale
from foveal_audit.judgement.pairs import Effect, smaller
from foveal_audit.judgement.places import Placed
from foveal_audit.judgement.removal import Removal, remove


def removed(bench, facet=FACET, pairs=30, seed=0):
    return remove(bench, facet, HOSTS, np.random.default_rng(seed), pairs)


def test_the_patch_a_model_looks_at_is_necessary():
    effect = removed(PatchBench()).effect()
    assert 0.95 < effect.low <= effect.estimate <= effect.high <= 1
    assert abs(effect.controls) < 0.1
    assert effect.p < 1e-6
    assert effect.pairs == 30


def test_a_patch_that_the_model_ignores_has_no_effect():
    effect = removed(PatchBench(box=(22, 22, 30, 30))).effect()
    assert effect.estimate == pytest.approx(0, abs=0.02)


def test_it_asks_for_the_class_that_was_predicted():
    """Of samples without the patch class 0 is predicted; blackening the patch takes nothing from it."""
    hidden = [Placed(number, one.window, one.taken) for number, one in zip(range(40, 80), FACET, strict=True)]
    assert removed(PatchBench(), hidden).effect().estimate == pytest.approx(0, abs=0.02)


class SureBench(PatchBench):
    """One whose logits are so large that probabilities hardly move."""

    def logits(self, samples):
        return super().logits(samples) * 30


def test_margins_show_what_a_sure_network_hides():
    """In margins nothing saturates: thirty times the logits are thirty times the effect, in equal spreads."""
    spread = Scale(np.array([2.0, 2.0]))
    plain, sure = (removed(bench).effect(spread) for bench in (PatchBench(), SureBench()))
    assert sure.estimate == pytest.approx(30 * plain.estimate)
    assert sure.low > 1  # not cut at 1, as probabilities are


def test_the_smaller_of_the_fillers_counts_with_an_interval_that_holds_for_it():
    one = Effect(0.4, 0.3, 0.5, 0.01, 1e-6, 40)
    other = Effect(0.3, 0.1, 0.6, 0.02, 1e-3, 40)
    assert smaller([one, other]) == Effect(0.3, 0.1, 0.5, 0.02, 1e-3, 40)
    assert smaller([other, one]) == smaller([one, other])


class KindToHolesBench(PatchBench):
    """One that takes a smooth hole for the patch: only a neighbour's pixels show that it is gone."""

    def chance(self, samples):
        y0, x0, y1, x1 = self.box
        patches = [one[y0:y1, x0:x1] / 255 for one in samples]
        return np.array([1.0 if one.max() - one.min() == 0 else one.mean() for one in patches])


def test_a_filler_that_hides_the_loss_is_not_believed():
    flat = KindToHolesBench()
    for picture in flat.samples:
        picture[picture < 9] = 0  # smooth filling gives exactly nothing: one level
    assert removed(flat).effect().estimate <= 0.05


def test_windows_are_limited_by_those_there_are():
    assert removed(PatchBench(), FACET[:7], 50).effect().pairs == 7


def test_samples_come_before_second_windows_of_the_same():
    twice = [*FACET[:32], *FACET[:32]]
    assert len(np.unique(removed(PatchBench(), twice, 32).owners)) == 32


def test_it_stops_where_nothing_is_left_to_learn():
    """A sure effect is settled after 32 windows of 40, at five questions a window."""
    bench = PatchBench()
    found = removed(bench, [*FACET, *FACET], 80)
    assert found.effect().pairs == 32
    assert bench.asked == 32 * 5
    assert found.share == pytest.approx((32 / 80) ** 2)


def test_the_same_chance_gives_the_same_effect_and_samples_are_left_alone():
    bench = PatchBench()
    before = [one.copy() for one in bench.samples]
    assert removed(bench, seed=7).effect() == removed(PatchBench(), seed=7).effect()
    assert all(np.array_equal(a, b) for a, b in zip(before, bench.samples, strict=True))


@pytest.mark.parametrize("shapes", [((32, 32, 1), (24, 48, 1)), ((24, 24, 3), (40, 40, 1), (64, 20, 4))])
def test_samples_of_many_shapes_can_be_mixed(shapes):
    removed(PatchBench(shapes=shapes), pairs=20)


@pytest.mark.parametrize(
    ("first", "second", "settled"), [(0.9, 0.9, False), (0.9, 0.2, False), (0.2, 0.2, True)]
)
def test_one_filler_that_takes_nothing_settles_that_the_smaller_effect_is_none(first, second, settled):
    """Sixty-four samples at .9: a filler takes nothing, brings them to .2, or makes them wobble about .85."""
    wobbling = np.where(np.arange(64) % 2, 0.7, 0.99)
    answers = {0.9: logits_of(np.full(64, 0.9)), 0.2: logits_of(np.full(64, 0.2))}
    before, numbers = answers[0.9], np.arange(64)
    pairs = [(logits_of(wobbling) if level == 0.9 else answers[level], before) for level in (first, second)]
    assert Removal(before, pairs, numbers, numbers).is_settled is settled
    nothing = [(before, before), pairs[1]]
    assert Removal(before, nothing, numbers, numbers).is_settled is True
