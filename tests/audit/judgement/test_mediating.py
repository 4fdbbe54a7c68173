"""Mediation where the share through the unit is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patch_bench import FACET, HOSTS, UNIT, PatchBench, logits_of

from foveal_audit.judgement import mediating
from foveal_audit.judgement.mediating import mediation
from foveal_audit.judgement.transfer import transfer


def mediated(bench, facet=FACET):
    pasted = transfer(bench, facet, HOSTS, 1, np.random.default_rng(1), 64)
    return mediation(bench, pasted, 1, UNIT, np.random.default_rng(2))


@settings(max_examples=15)
@given(st.floats(0, 1))
def test_it_is_the_share_that_passes_through_the_unit(through):
    effect = mediated(PatchBench(passes_unit=through))
    assert effect.estimate == pytest.approx(through, abs=1e-6)
    assert 0 <= effect.low <= effect.estimate <= effect.high <= 1


@pytest.mark.parametrize(("through", "certain"), [(1.0, True), (0.6, True), (0.0, False)])
def test_a_share_is_certain_where_there_is_one(through, certain):
    assert (mediated(PatchBench(passes_unit=through)).p < 0.01) is certain


def test_of_no_effect_it_lies_between_nothing_and_all():
    effect = mediated(PatchBench(box=(22, 22, 30, 30)))
    assert 0 <= effect.low <= effect.estimate <= effect.high <= 1


def test_pairs_of_one_donor_are_drawn_together():
    labels = np.array([4, 4, 9, 4, 7])
    drawn = mediating._resampled(labels, np.random.default_rng(0))
    assert drawn.shape == (1000, 5)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 3])
    np.testing.assert_array_equal(drawn[:, [0, 2, 4]].sum(axis=1), 3)


def test_donors_that_differ_widen_the_interval():
    """What every other donor brings passes through the unit, the rest does not: four donors tell less."""

    class Uneven(PatchBench):
        def __init__(self):
            super().__init__()
            for number in range(0, 40, 2):
                self.samples[number][self.samples[number] == 255] = 250

        def logits_held(self, changed, clean, windows, unit):
            through = np.array([one.max() == 250 for one in changed])
            return logits_of(np.where(through, self.chance(clean), self.chance(changed)))

    few, many = (mediated(Uneven(), FACET[:donors]) for donors in (4, 40))
    assert few.estimate == pytest.approx(many.estimate, abs=0.1)
    assert few.high - few.low > 1.5 * (many.high - many.low)
