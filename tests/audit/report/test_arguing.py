"""What argues for an artefact and what against it."""

import pytest

from foveal_audit.judgement.fusion import FUSION, Fusion, Term
from foveal_audit.judgement.irrelevance import log_odds
from foveal_audit.judgement.signals.registry import KINDS
from foveal_audit.report.arguing import SHOWN, case_of, start
from foveal_audit.report.sentences import SENTENCES, sentence

TOY = Fusion(
    -0.5,
    (
        Term("position_lock", 1, 0.5, 0.25, 0.6),
        Term("prevalence", -1, 0.5, 0.5, 0.4),
        Term("conditional_association", 1, 0.0, 0.1, 0.2),
        Term("purity", 1, 0.5, 1.0, 0.01),
        Term("outside_object", 1, 0.5, 0.5, 0.5),
    ),
    -2.0,
    1.0,
)


def test_signs_argue_as_the_model_weighs_them(facet):
    case = case_of(facet({"position_lock": 1.0, "prevalence": 0.9, "purity": 1.0, "border": 1.0}), TOY)
    (lock,), (often,) = case.artefact, case.genuine
    assert (lock.name, lock.adds, lock.part) == ("position_lock", pytest.approx(1.2), 100)
    assert (often.name, often.adds, often.part) == ("prevalence", pytest.approx(-0.32), 27)
    assert lock.says == "It keeps to the same place in the picture."
    assert often.says == "90% of the pictures that were given the class show it."
    assert case.weighed == 3  # the border is not in this model


def test_of_several_columns_that_argues_which_counts(facet):
    case = case_of(facet({"conditional_association:site": 0.3, "conditional_association:date": 0.1}), TOY)
    assert [one.says for one in case.artefact] == ["It goes with “site” even within one class."]
    assert case.adds == {"conditional_association:site": pytest.approx(0.6)}


def test_what_was_weighed_adds_up_to_the_verdict_s_own_number(facet):
    values = dict.fromkeys(("position_lock", "border", "prevalence", "constancy", "purity"), 0.8)
    case = case_of(facet(values), FUSION)
    assert FUSION.intercept + sum(case.adds.values()) == pytest.approx(log_odds(values))


def test_no_more_than_a_few_are_shown_the_strongest_first(facet):
    values = {term.signal: term.centre + term.direction * 3 * term.scale for term in FUSION.terms}
    case = case_of(facet(values), FUSION)
    assert len(case.artefact) == SHOWN == 5
    assert case.genuine == []
    sizes = [one.adds for one in case.artefact]
    assert sizes == sorted(case.adds.values(), reverse=True)[:5]


def test_demands_on_a_property_are_asked_one_by_one(facet, rim):
    case = case_of(facet(rim), FUSION)
    assert case.demands
    assert case.adds == pytest.approx(
        {
            "property_ubiquity": 2.73,
            "property_purity": 4.2,
            "property_fidelity": -1.87,
            "property_prevalence": 3.42,
        }
    )
    assert [one.name for one in case.artefact] == [
        "property_purity",
        "property_prevalence",
        "property_ubiquity",
    ]
    assert [one.says for one in case.genuine] == [
        "The experiment carried only 41% of it over, so that the effect may be something else's."
    ]
    assert min(case.adds.values()) == pytest.approx(log_odds(rim))


@pytest.mark.parametrize(("outside", "held"), [(0.3, True), (0.7, False)])
def test_it_is_said_where_regions_hold_the_number_down(facet, outside, held):
    assert case_of(facet({"outside_object": outside, "position_lock": 1.0}), TOY).held is held


def test_where_nothing_was_measured_the_usual_irrelevance_is_left(facet):
    assert start(TOY) == pytest.approx(0.377541, abs=1e-6)
    assert case_of(facet({}), TOY).adds == {}


def test_every_sign_that_is_weighed_has_a_sentence_for_either_side():
    assert set(KINDS) <= set(SENTENCES)
    assert {term.signal for term in FUSION.terms} <= set(SENTENCES)
    for name in SENTENCES:
        sides = [sentence(f"{name}:site", 0.75, for_it=side) for side in (True, False)]
        assert sides[0] != sides[1]
        assert all(one[0].isupper() or one[0].isdigit() for one in sides)
        assert all(one.endswith(".") and "{" not in one for one in sides)
