"""The fitted model of irrelevance, by hand and as it is shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from foveal_audit.judgement.fusion import FUSION, FUSIONS, Fusion, Term, share
from foveal_audit.judgement.irrelevance import log_odds
from foveal_audit.judgement.signals.registry import KINDS

UP = Term("lock", 1, centre=0.2, scale=0.1, weight=0.5)
DOWN = Term("tie", -1, centre=0.5, scale=0.25, weight=2.0)
MODEL = Fusion(-1.0, (UP, DOWN), usual=-1.0, spread=0.5)
SHIPPED = st.sampled_from(sorted(FUSIONS))
SIGNALS = st.dictionaries(st.sampled_from(sorted(KINDS)), st.floats(-5, 5))


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({}, -1.0),
        ({"unknown": 9.0}, -1.0),
        ({"lock": 0.4}, -1.0 + 0.5 * 2),
        ({"lock": 9.0}, -1.0 + 0.5 * 3),  # no signal says more than it does at three deviations
        ({"lock": -9.0}, -1.0 - 0.5 * 3),
        ({"tie:site": 0.75}, -1.0 - 2.0),
        ({"tie:site": 0.75, "tie:day": 0.25}, -1.0 + 2.0),  # the column that says most
        ({"lock": 0.4, "tie:site": 0.25}, -1.0 + 1.0 + 2.0),
    ],
)
def test_log_odds_by_hand(signals, expected):
    assert MODEL.log_odds(signals) == pytest.approx(expected)


def test_p_values_are_the_tail_of_genuine_facets():
    assert MODEL.p_value(-1.0) == pytest.approx(0.5)
    assert MODEL.p_value(0.0) == pytest.approx(norm.sf(2))


def test_a_share_of_log_odds():
    assert share(np.log(3)) == pytest.approx(0.75)
    assert share(-1e6) == 0


@given(SIGNALS, SHIPPED)
def test_the_shipped_models_survive_being_written(signals, axes):
    again = Fusion.read(json.loads(json.dumps(FUSIONS[axes].record())))
    assert again == FUSIONS[axes]
    assert again.log_odds(signals) == FUSIONS[axes].log_odds(signals)


@given(SIGNALS, SHIPPED, st.sampled_from(sorted(KINDS)), st.floats(0, 3))
def test_no_signal_counts_against_its_direction(signals, axes, name, more):
    before = {name: 0.0, **signals}
    after = {**before, name: before[name] + KINDS[name].direction * more}
    assert FUSIONS[axes].log_odds(after) >= FUSIONS[axes].log_odds(before) - 1e-9


def test_samples_of_every_number_of_axes_have_a_model_of_their_own():
    assert sorted(FUSIONS) == [1, 2, 3]
    assert len({model.intercept for model in FUSIONS.values()}) == 3
    assert FUSIONS[2] == FUSION


@pytest.mark.parametrize("axes", sorted(FUSIONS))
def test_the_shipped_models_know_their_signals(axes):
    terms = FUSIONS[axes].terms
    assert {term.signal for term in terms} <= set(KINDS)
    assert all(term.direction == KINDS[term.signal].direction for term in terms)
    assert all(term.weight > 0 and term.scale > 0 for term in terms)


@pytest.mark.parametrize("axes", sorted(FUSIONS))
def test_no_look_of_a_crop_alone_makes_an_artefact(axes):
    """All signals of how a crop is drawn, at their strongest, and nothing else known."""
    drawn = [term for term in FUSIONS[axes].terms if term.signal.startswith("drawn_")]
    strongest = {term.signal: term.centre + term.direction * 10 * term.scale for term in drawn}
    assert drawn
    assert share(FUSIONS[axes].log_odds(strongest)) < 0.65


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 3.0),  # fidelity .9 is what it has least of
        ({"property_ubiquity": 0.4}, 1.0),
        ({"property_fidelity": 0.2}, -4.0),
        ({"property_fidelity": None}, -6.0),
        ({"property_prevalence": 0.07}, -0.5),  # perhaps a rare kind of the class,
    ],
)
def test_a_property_is_as_irrelevant_as_its_weakest_demand(changes, expected):
    signals = {"property_ubiquity": 1.0, "property_purity": 0.9, "property_fidelity": 0.9, "lock": 1.0}
    signals["property_prevalence"] = 0.7
    known = {name: value for name, value in (signals | changes).items() if value is not None}
    assert log_odds(known) == pytest.approx(expected)


def test_what_lies_in_a_region_of_interest_is_never_surely_irrelevant():
    surely = Fusion(5.0, (), 0.0, 1.0)
    assert log_odds({}, surely) == 5
    assert log_odds({"outside_object": 0.61}, surely) == 5
    assert log_odds({"outside_object": 0.59}, surely) == 0
    assert log_odds({"outside_object": 0.0}, Fusion(-5.0, (), 0.0, 1.0)) == -5
