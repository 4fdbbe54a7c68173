"""The rule table: every verdict, its boundaries, and what holds whatever was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from foveal_audit.judgement.verdict import (
    THRESHOLDS,
    Measured,
    Thresholds,
    artefact_score,
    as_record,
    decide,
    irrelevance,
    reliance,
    transfer,
)

STAMP = Measured(
    removal=0.4,
    removal_low=0.3,
    paste=0.3,
    paste_low=0.2,
    mediation=0.7,
    removal_margin=0.0,
    paste_margin=0.0,
    log_odds=4.0,
    lock=0.9,
    stamp=0.9,
    association=0.6,
    confounded=0.0,
    q=0.001,
)
SHARE = st.floats(0, 1)
EFFECT = st.none() | st.floats(-1, 1)
ANY = st.builds(
    Measured,
    removal=EFFECT,
    removal_low=EFFECT,
    paste=EFFECT,
    paste_low=EFFECT,
    mediation=st.none() | SHARE,
    removal_margin=st.floats(0, 20),
    paste_margin=st.floats(0, 20),
    log_odds=st.floats(-20, 20),
    lock=SHARE,
    stamp=SHARE,
    association=SHARE,
    confounded=SHARE,
    q=st.none() | SHARE,
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "confirmed"),
        ({"removal": None, "removal_low": None, "paste": None, "paste_low": None}, "undecidable"),
        # a proof is missing
        ({"removal_low": -0.01}, "suspected"),
        ({"removal": 0.049}, "suspected"),
        ({"mediation": None}, "suspected"),
        ({"mediation": 0.099}, "suspected"),
        ({"log_odds": 1.8}, "suspected"),  # 0.86: irrelevant, not surely
        ({"removal_low": -0.01, "removal_margin": 0.5}, "confirmed"),  # saturated: the logit shows it
        ({"paste_low": -0.01, "paste_margin": 0.5}, "confirmed"),
        # the flag does not hold
        ({"q": 0.051}, "undecidable"),
        ({"q": None}, "undecidable"),
        ({"paste_low": -0.01}, "undecidable"),
        ({"paste": 0.049}, "undecidable"),
        ({"paste": 0.049, "paste_margin": 0.49}, "undecidable"),
        # not relied on at all
        ({"removal_low": 0.0, "paste_low": 0.0}, "not_relied_on"),
        ({"removal": 0.049, "paste": 0.049}, "not_relied_on"),
        ({"removal": -0.4, "removal_low": -0.5, "paste_low": -0.1}, "not_relied_on"),
        # relied on, and nothing says that it does not belong
        ({"log_odds": -1.0}, "genuine"),
        ({"log_odds": 0.0}, "undecidable"),  # as likely as not
        ({"log_odds": -1.0, "confounded": 0.2}, "undecidable"),
    ],
)
def test_every_verdict(changes, verdict):
    assert decide(replace(STAMP, **changes)) == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"q": 0.05}, "confirmed"),
        ({"removal": 0.05}, "confirmed"),
        ({"paste": 0.05}, "confirmed"),
        ({"mediation": 0.10}, "confirmed"),
        ({"log_odds": logit(0.90) + 1e-9}, "confirmed"),
        ({"log_odds": logit(0.80) + 1e-9}, "suspected"),
        ({"log_odds": logit(0.50) + 1e-9}, "undecidable"),
    ],
)
def test_a_threshold_itself_counts(changes, verdict):
    assert decide(replace(STAMP, **changes)) == verdict


def test_irrelevance_by_hand():
    measured = replace(STAMP, log_odds=np.log(3))
    assert irrelevance(measured) == pytest.approx(0.75)
    assert artefact_score(replace(measured, paste=0.04)) == pytest.approx(0.75 * 0.4)
    assert artefact_score(replace(measured, paste=0.04, paste_margin=0.6)) == pytest.approx(0.75 * 0.6)
    assert artefact_score(replace(measured, paste=0.9)) == pytest.approx(0.75)


@given(ANY)
def test_scores_lie_between_nothing_and_one(measured):
    for score in (reliance, transfer, irrelevance, artefact_score):
        assert 0 <= score(measured) <= 1


@given(ANY)
def test_what_is_flagged_is_relied_on_irrelevant_and_sure(measured):
    verdict = decide(measured)
    if verdict in ("confirmed", "suspected"):
        assert measured.q <= THRESHOLDS.fdr
        assert reliance(measured) >= transfer(measured) >= THRESHOLDS.relied
        assert irrelevance(measured) >= THRESHOLDS.irrelevant
    if verdict == "genuine":
        assert reliance(measured) >= THRESHOLDS.relied
        assert irrelevance(measured) < THRESHOLDS.doubtful
        assert measured.confounded == 0


@given(ANY, st.floats(0, 0.3))
def test_more_irrelevance_never_clears_a_flag(measured, more):
    order = ["genuine", "undecidable", "suspected", "confirmed"]
    worse = replace(measured, log_odds=measured.log_odds + more)
    before, after = decide(measured), decide(worse)
    if before in order:
        assert order.index(after) >= order.index(before)
    else:
        assert after == before


def test_thresholds_are_written_down_whole():
    assert Thresholds(**as_record()) == THRESHOLDS
