"""Why a verdict is what it is, in sentences."""

import pytest

from foveal_audit.bundle.schema import Effect, Effects, Signal
from foveal_audit.judgement.fusion import FUSION
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.report.error_rates import measured_rates
from foveal_audit.report.reasoning import Rule, why

RULE = Rule(THRESHOLDS, FUSION)
SURE = Effect(estimate=0.4, low=0.3, high=0.5)
NONE = Effect(estimate=0.01, low=-0.1, high=0.1)
USED = "The model uses it: the answer weakens without it, and it alone moves the answer elsewhere."
ALONE = "The model uses it: it alone moves the answer of other pictures."
IRRELEVANT = (
    "It seems to have nothing to do with the task: irrelevance 0.90, where 0.80 is needed for a finding."
)
CLEAN = measured_rates().rates["clean"]
RATE = (
    "It is hardly a chance find: of all facets as clear as this, 1.0% would be there by chance (q). Chance "
    f"is not the only way to err: where the truth was planted, the audit flagged something in {CLEAN.found} "
    f"of {CLEAN.total} clean models."
)


def effects(removal=SURE, paste=SURE, mediation=SURE):
    return Effects(removal=removal, paste=paste, mediation=mediation)


def test_a_confirmed_artefact(facet):
    assert why(facet({}, verdict="confirmed", effects=effects()), RULE) == [
        USED,
        IRRELEVANT,
        RATE,
        "It is needed, it is enough, and its effect passes through this unit: hence confirmed.",
    ]


def test_a_suspected_artefact_says_what_is_missing(facet):
    lines = why(
        facet({}, irrelevance=0.85, q_value=0.0002, effects=effects(removal=NONE, mediation=None)), RULE
    )
    assert lines[0] == ALONE
    assert lines[2:] == [
        RATE.replace("1.0%", "fewer than 1 in 1,000"),
        (
            "Suspected, not confirmed: taking it out alone costs the answer too little to be sure of; "
            "that its effect passes through this unit was not shown; its irrelevance is below 0.90."
        ),
    ]


def test_a_property_is_never_confirmed(facet, rim):
    lines = why(facet(rim, effects=effects(mediation=None)), RULE)
    assert lines[-1] == (
        "Suspected: a property of whole pictures passes through no one unit, so it is never confirmed."
    )


def test_what_looks_genuine(facet):
    one = facet({}, verdict="genuine", irrelevance=0.08, effects=effects(paste=NONE))
    assert why(one, RULE) == [
        "The model uses it: the answer weakens without it. It alone does not move other pictures.",
        (
            "Too little says that it does not belong to the task: irrelevance 0.08, "
            "and below 0.50 nothing is held against it."
        ),
    ]


def test_what_is_not_relied_on(facet):
    one = facet({}, verdict="not_relied_on", effects=effects(NONE, NONE))
    assert why(one, RULE) == [
        (
            "No experiment showed that it supports the answer by 0.05 of its probability, which is the least "
            "that counts as use: removal 0.01 (\u22120.10 to 0.10); paste 0.01 (\u22120.10 to 0.10)."
        )
    ]


def test_an_effect_below_zero_is_told_with_its_control(facet):
    removal = Effect(estimate=-0.13, low=-0.32, high=0.05, controls=0.18)
    small = Effect(estimate=0.0, low=-0.01, high=0.01, controls=0.04)
    one = facet({}, verdict="not_relied_on", effects=effects(removal, small))
    assert why(one, RULE)[0].partition(": ")[2] == (
        "removal \u22120.13 (\u22120.32 to 0.05), where the control itself moved the answer by 0.18; "
        "paste 0.00 (\u22120.01 to 0.01)."
    )
    rim = facet(
        {"property_ubiquity": 0.6}, verdict="not_relied_on", effects=effects(None, small, mediation=None)
    )
    assert why(rim, RULE)[0].endswith("use: carried over 0.00 (\u22120.01 to 0.01).")


def test_what_its_controls_do_and_what_it_goes_with_is_in_the_main_text(facet):
    signals = {"control_scrambled": 0.75, "paste_elsewhere": 0.1, "control_plain": 0.9}
    tied = "It goes with 'site' even within one class (Cramer's V 0.50)."
    one = facet(signals, verdict="confirmed", effects=effects(), reasons=["Other.", tied])
    told = why(one, RULE)
    assert told[1] == (
        "Its colours and grain count more than its shape: without its shape 75% of the effect is left. "
        "Its place counts: pasted at a random place it keeps 10% of the effect."
    )
    assert told[3] == tied
    plain = facet({"control_scrambled": 0.4, "paste_elsewhere": 0.9}, verdict="confirmed", effects=effects())
    assert len(why(plain, RULE)) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.994, "irrelevance 0.99,"), (0.9951, "irrelevance > 0.99,"), (1.0, "irrelevance 1.00,")],
)
def test_almost_one_is_not_written_as_one(facet, value, text):
    assert text in why(facet({}, irrelevance=value, effects=effects()), RULE)[1]


@pytest.mark.parametrize(
    ("irrelevance", "paste", "line"),
    [
        (0.9, SURE, "It seems irrelevant (0.90), but among so many facets that may be chance."),
        (0.9, NONE, "It seems irrelevant (0.90), but it alone was not shown to move other pictures."),
        (
            0.6,
            SURE,
            (
                "It may have nothing to do with the task: irrelevance 0.60, from 0.50 on too much to call it "
                "genuine, below 0.80 too little for a finding. An expert decides."
            ),
        ),
    ],
)
def test_what_is_undecidable(facet, irrelevance, paste, line):
    one = facet({}, verdict="undecidable", irrelevance=irrelevance, effects=effects(paste=paste))
    assert why(one, RULE)[1] == line


def test_what_coincides_with_the_class_cannot_be_told_from_it(facet):
    signals = {"coincides_with:site": Signal(value=0.95, p=0.001)}
    one = facet({}, verdict="undecidable", signals=signals, effects=effects())
    assert why(one, RULE)[1] == (
        "It goes with “site”, which coincides with the class in training, so that what the model learned of "
        "the one cannot be told from what it learned of the other."
    )


def test_without_an_experiment_nothing_else_is_said(facet):
    assert why(facet({}, verdict="undecidable"), RULE) == [
        "No experiment was possible: too few pictures with it, or without it, can be read."
    ]


def test_the_rule_is_the_one_that_the_audit_recorded():
    fusion = {**FUSION.record(), "intercept": 1.5}
    rule = Rule.of({"thresholds": {"irrelevant": 0.7, "gone": 3}, "fusion": fusion})
    assert rule.limits.irrelevant == 0.7
    assert rule.limits.relied == THRESHOLDS.relied
    assert rule.fusion.intercept == 1.5
    assert Rule.of({}) == RULE
