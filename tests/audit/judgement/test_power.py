"""What would be missed: the formula against simulated audits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.power import (
    blind_below,
    chance_missed,
    enough_crops,
    paste_power,
    power_sentence,
    shown_chance,
)
from foveal_audit.judgement.verdict import THRESHOLDS


def intervals(rng, effect, spread, pairs, number=6000):
    """Lower ends and half lengths of plain t intervals over independent pairs."""
    draws = rng.normal(effect, spread, (number, pairs))
    reach = student.isf(0.025, pairs - 1) * draws.std(axis=1, ddof=1) / np.sqrt(pairs)
    return draws.mean(axis=1) - reach, float(reach.mean())


@pytest.mark.parametrize(("spread", "pairs", "effect"), [(0.2, 64, 0.05), (0.1, 32, 0.05), (0.3, 20, 0.2)])
def test_the_power_of_a_paste_test_is_that_of_simulated_ones(spread, pairs, effect):
    lows, reach = intervals(np.random.default_rng(1), effect, spread, pairs)
    assert paste_power(reach, pairs, effect) == pytest.approx((lows > 0).mean(), abs=0.03)


@pytest.mark.parametrize("prevalence", [0.06, 0.1, 0.2])
def test_the_chance_of_missing_is_that_of_simulated_audits(prevalence):
    """Of 412 crops some show an artefact; half of those find their facet, which is pasted 64 times."""
    rng = np.random.default_rng(2)
    shown = rng.uniform(size=(6000, 412)) < prevalence
    gathered = (shown & (rng.uniform(size=shown.shape) < 0.5)).sum(axis=1)
    lows, reach = intervals(rng, 0.05, 0.15, 64)
    found = (gathered >= THRESHOLDS.fewest) & (lows > 0)
    said = chance_missed(412, prevalence, reach=reach, pairs=64, recall=0.5, effect=0.05)
    assert said == pytest.approx(1 - found.mean(), abs=0.03)


def test_enough_crops_by_hand():
    assert enough_crops(412, 0.1, 0.5) == pytest.approx(1 - binom.cdf(19, 412, 0.05))
    assert enough_crops(19, 1.0, 1.0) == 0
    assert enough_crops(20, 1.0, 1.0) == 1


def test_more_crops_and_a_higher_prevalence_miss_less():
    by_crops = [chance_missed(crops, 0.05) for crops in (100, 400, 1000, 4000)]
    by_prevalence = [chance_missed(400, prevalence) for prevalence in (0.01, 0.05, 0.1, 0.5)]
    assert by_crops == sorted(by_crops, reverse=True)
    assert by_prevalence == sorted(by_prevalence, reverse=True)


def test_the_prevalence_that_is_missed_with_a_chance_is_the_one_that_is():
    prevalence = blind_below(412, 0.4, reach=0.02)
    assert chance_missed(412, prevalence, reach=0.02) == pytest.approx(0.4, abs=1e-3)


def test_with_too_few_crops_or_too_wide_an_interval_nothing_is_found():
    assert blind_below(19) is None
    assert blind_below(4000, reach=0.5) is None


def effects(reach, pairs=64):
    return [Effect(0.2, 0.2 - reach * scale, 0.2 + reach * scale, 0, 0.1, pairs) for scale in (0.5, 1, 2)]


def test_it_says_below_which_prevalence_an_audit_is_blind():
    prevalence = blind_below(412, reach=0.02)
    assert power_sentence(412, effects(0.02)) == (
        "With crops of 412 training samples an artefact that changes the probability by 0.05 "
        f"and has a prevalence below {prevalence:.1%} would be missed with probability 0.4 or more"
    )


def test_where_small_effects_are_never_seen_it_says_which_are():
    prevalence, lost = blind_below(412, reach=0.1, effect=0.2), chance_missed(412, 1.0, reach=0.1)
    assert blind_below(412, reach=0.1, effect=0.1) is None
    assert power_sentence(412, effects(0.1)) == (
        "With crops of 412 training samples an artefact that changes the probability by 0.20 "
        f"and has a prevalence below {prevalence:.1%} would be missed with probability 0.4 or more; "
        f"one that changes it by 0.05, whatever its prevalence, with {lost:.2f} or more"
    )


def test_it_says_so_where_an_audit_is_blind_to_all():
    lost = chance_missed(412, 1.0, reach=0.9, effect=0.4)
    assert power_sentence(412, effects(0.9)) == (
        "With crops of 412 training samples an artefact that changes the probability by 0.40 would be missed "
        f"with probability {lost:.2f} or more, whatever its prevalence"
    )


def test_a_narrow_interval_would_have_shown_what_a_wide_one_hides():
    assert shown_chance(0.0, 0.0, 64) == pytest.approx(1)
    assert shown_chance(-0.05, 0.05, 64) == pytest.approx(0.5, abs=0.02)  # it reaches just as far
    assert shown_chance(-0.3, 0.3, 64) < 0.1
