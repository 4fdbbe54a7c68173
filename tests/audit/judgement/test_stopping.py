"""Stopping early: how seldom it makes something of nothing, whether intervals hold, and what it saves."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.judgement.pairs import summarise
from foveal_audit.judgement.places import in_rounds, is_fresh
from foveal_audit.judgement.stopping import Look, is_futile, is_sure, looks, run_until

PAIRS = 128


def facet(rng, mean, donors=60, hosts=400, spread=0.15):
    """Draw donors, hosts and differences of one facet: each has its own share in every pair it is in."""
    donor = in_rounds(np.arange(donors), PAIRS, rng)
    host = in_rounds(np.arange(hosts), PAIRS, rng)
    own = rng.normal(size=donors)[donor] + rng.normal(size=hosts)[host] + rng.normal(size=PAIRS)
    return np.clip(mean + spread * own / np.sqrt(3), -1, 1), donor, host


def stopped(differences, donor, host):
    """Go through the looks as the causal tests do."""

    def effect(look):
        few = slice(0, look.pairs)
        return summarise(differences[few], np.zeros(look.pairs), donor[few], host[few], share=look.share)

    def settles(_, look):
        few = slice(0, look.pairs)
        independent = differences[few][is_fresh(donor[few], host[few])]
        return is_futile(independent) or is_sure(effect(look), independent)

    return effect(run_until(settles, PAIRS))


def rate_of(hits, total):
    return sum(hits) / total


@pytest.mark.parametrize(("donors", "hosts"), [(60, 400), (20, 400), (200, 25)])
def test_no_effect_is_seldom_called_one(donors, hosts):
    """A few hundred facets; two thousand in the full test."""
    rng = np.random.default_rng(donors)
    found = [stopped(*facet(rng, 0.0, donors, hosts)) for _ in range(200)]
    assert rate_of((one.low > 0 for one in found), 200) <= 0.05
    assert rate_of((one.p <= 0.05 for one in found), 200) <= 0.08


@pytest.mark.full
@pytest.mark.parametrize(("donors", "hosts"), [(60, 400), (20, 400), (200, 25), (300, 500)])
@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_of_two_thousand_facets_without_effect_one_in_twenty_at_most_is_called_one(donors, hosts, spread):
    rng = np.random.default_rng(donors)
    found = [stopped(*facet(rng, 0.0, donors, hosts, spread)) for _ in range(2000)]
    assert rate_of((one.low > 0 for one in found), 2000) <= 0.05
    assert rate_of((one.p <= 0.05 for one in found), 2000) <= 0.05


@pytest.mark.parametrize("mean", [0.0, 0.05, 0.1, 0.4])
def test_the_interval_holds_the_truth_wherever_the_test_stopped(mean):
    rng = np.random.default_rng(1)
    found = [stopped(*facet(rng, mean)) for _ in range(150)]
    # 150 facets: at a true coverage of .95 fewer than .91 come once in sixty times.
    assert rate_of((one.low <= mean <= one.high for one in found), 150) >= 0.91


@pytest.mark.full
@pytest.mark.parametrize("mean", [0.0, 0.05, 0.1, 0.4])
@pytest.mark.parametrize(("donors", "hosts"), [(60, 400), (20, 400), (200, 25)])
def test_of_two_thousand_intervals_one_in_twenty_at_most_misses_the_truth(mean, donors, hosts):
    rng = np.random.default_rng(2)
    found = [stopped(*facet(rng, mean, donors, hosts)) for _ in range(2000)]
    assert rate_of((one.low <= mean <= one.high for one in found), 2000) >= 0.94


def test_a_plain_effect_and_plain_nothing_are_cheap():
    rng = np.random.default_rng(3)
    strong = [stopped(*facet(rng, 0.5)).pairs for _ in range(40)]
    nothing = [stopped(*facet(rng, -0.02, spread=0.02)).pairs for _ in range(40)]
    assert np.mean(strong) < 0.4 * PAIRS
    assert np.mean(nothing) < 0.6 * PAIRS


def test_a_seldom_large_effect_is_not_given_up():
    """One pair in ten moves all the way: thirty-two pairs may show three of them or none."""
    rng = np.random.default_rng(4)
    given_up = []
    for _ in range(300):
        differences = (rng.uniform(size=PAIRS) < 0.1).astype(float)
        given_up.append(stopped(differences, np.arange(PAIRS), np.arange(PAIRS)).estimate < 0.05)
    assert rate_of(given_up, 300) <= 0.1


@pytest.mark.parametrize(
    ("pairs", "ends"),
    [(128, [32, 64, 128]), (80, [32, 80]), (20, [20]), (32, [32]), (400, [32, 64, 128, 256, 400])],
)
def test_looks_double_and_spend_all_of_the_error(pairs, ends):
    laid = looks(pairs)
    assert [look.pairs for look in laid] == ends
    assert sum(look.share for look in laid) == pytest.approx(1)
    assert all(look.share > 0 for look in laid)


def test_shares_by_hand():
    assert looks(128) == [Look(32, 0.0625), Look(64, 0.1875), Look(128, 0.75)]


def test_it_stops_at_the_first_look_that_settles():
    seen = []
    look = run_until(lambda begun, look: seen.append((begun, look.pairs)) or look.pairs == 64, 128)
    assert (look.pairs, seen) == (64, [(0, 32), (32, 64)])
    assert run_until(lambda *_: False, 128).pairs == 128
