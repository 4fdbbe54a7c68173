"""Effects of pairs that share donors and hosts."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from foveal_audit.judgement.pairs import summarise


def test_pairs_of_their_own_are_the_textbook_t_test():
    rng = np.random.default_rng(0)
    effects, controls = rng.normal(0.2, 0.1, 80), rng.normal(0.15, 0.1, 80)
    summed = summarise(effects, controls, np.arange(80))
    known = ttest_1samp(effects - controls, 0, alternative="greater")
    assert summed.estimate == pytest.approx((effects - controls).mean())
    assert summed.controls == pytest.approx(controls.mean())
    assert summed.p == pytest.approx(known.pvalue, rel=0.1)
    interval = ttest_1samp(effects - controls, 0).confidence_interval(0.95)
    assert (summed.low, summed.high) == pytest.approx(tuple(interval), abs=0.001)


def test_two_donors_by_hand():
    summed = summarise(np.array([0.4, 0.4, 0.2, 0.2]), np.zeros(4), np.array([7, 7, 9, 9]))
    # Residuals .1 .1 -.1 -.1: sums per donor .2 and -.2, so the error is sqrt(.08) / 4; t of 1 is 12.7062.
    reach = 12.7062 * np.sqrt(0.08) / 4
    assert summed.estimate == pytest.approx(0.3)
    assert summed.low == pytest.approx(0.3 - reach, abs=1e-4)


def test_one_donor_proves_nothing():
    summed = summarise(np.full(50, 0.9), np.zeros(50), np.zeros(50, dtype=int))
    assert (summed.low, summed.high, summed.p) == (-1, 1, 1)


def test_nothing_at_all_is_no_effect():
    summed = summarise(np.zeros(10), np.zeros(10), np.arange(10))
    assert (summed.estimate, summed.low, summed.high, summed.p) == (0, 0, 0, 1)


@pytest.mark.parametrize(("donors", "hosts"), [(5, 500), (20, 500), (60, 500), (20, 5), (300, 500)])
def test_no_effect_is_rarely_called_one_however_often_samples_are_reused(donors, hosts):
    rng = np.random.default_rng(1)
    p_values, lows = [], []
    for _ in range(400):
        donor, host = rng.integers(0, donors, 128), rng.integers(0, hosts, 128)
        effect = rng.normal(size=donors)[donor] + rng.normal(size=hosts)[host] + rng.normal(size=128)
        summed = summarise(0.1 * effect, np.zeros(128), donor, host)
        p_values.append(summed.p)
        lows.append(summed.low)
    assert (np.array(p_values) <= 0.05).mean() <= 0.09
    assert (np.array(p_values) <= 0.001).mean() <= 0.01
    assert (np.array(lows) > 0).mean() <= 0.06


@pytest.mark.parametrize(("donors", "hosts"), [(20, 500), (60, 500), (300, 500), (40, 40)])
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_intervals_hold_the_truth_as_often_as_they_say(donors, hosts, share):
    """Of 400 intervals at 95 % (98.75 %) fewer than .92 (.965) come once in two hundred times."""
    rng = np.random.default_rng(donors)
    held = []
    for _ in range(400):
        donor, host = rng.integers(0, donors, 128), rng.integers(0, hosts, 128)
        own = rng.normal(size=donors)[donor] + rng.normal(size=hosts)[host] + rng.normal(size=128)
        summed = summarise(0.2 + 0.1 * own, np.zeros(128), donor, host, share=share)
        held.append(summed.low <= 0.2 <= summed.high)
    assert np.mean(held) >= (0.92 if share == 1 else 0.965)


def test_a_smaller_share_of_the_error_widens_the_interval_and_raises_the_p_value():
    rng = np.random.default_rng(0)
    effects = rng.normal(0.05, 0.1, 30)
    whole, quarter = (summarise(effects, np.zeros(30), np.arange(30), share=share) for share in (1, 0.25))
    assert quarter.p == pytest.approx(4 * whole.p)
    interval = ttest_1samp(effects, 0).confidence_interval(1 - 0.05 * 0.25)
    assert (quarter.low, quarter.high) == pytest.approx(tuple(interval), abs=0.002)


def test_margins_are_not_cut_at_one():
    effects = np.array([4.0, 5.0, 6.0, 5.0])
    assert summarise(effects, np.zeros(4), np.arange(4), bound=np.inf).low > 3
    assert summarise(effects, np.zeros(4), np.zeros(4, dtype=int), bound=np.inf).low == -np.inf
