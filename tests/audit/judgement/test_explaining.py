"""Reasons and counter-evidence in plain sentences."""

from __future__ import annotations

import pytest

from foveal_audit.bundle.schema import Assessment, Effect, Effects, Signal
from foveal_audit.judgement.assessing import measured_of
from foveal_audit.judgement.explaining import counter_evidence, reasons

BURNT_IN = "It looks like something burnt in: always the same, always at the same place."
WEAK_ALONE = "Its crop alone moves the model less than taking it out does."


def assessment(removal=0.4, removal_low=0.3, paste=0.31, lock=0.9, stamp=0.95, tested=True, **metadata):
    effects = Effects(
        removal=Effect(estimate=removal, low=removal_low, high=0.5),
        paste=Effect(estimate=paste, low=0.01, high=0.6),
    )
    signals = {"position_lock": Signal(value=lock, p=0.001), "stamp_likeness": Signal(value=stamp, p=0.001)}
    signals |= {name.replace("__", ":"): Signal(value=value, p=0.005) for name, value in metadata.items()}
    return Assessment(
        id="A-00000000",
        feature="contribution:1",
        facet=0,
        n_entries={"training": 40},
        reliance=0,
        irrelevance=0,
        artefact_score=0,
        q_value=0.01,
        verdict="undecidable",
        effects=effects if tested else Effects(),
        signals=signals,
    )


def told(one, verdict):
    return reasons(one, measured_of(one), verdict, "spiculated"), counter_evidence(
        one, measured_of(one), verdict
    )


def test_a_suspect_with_everything_against_it():
    why, against = told(assessment(conditional_association__site=0.48), "suspected")
    assert why == [
        (
            "Taking it out changes the probability of the predicted class by -0.40; "
            "pasting it into samples of other classes changes that of 'spiculated' by +0.31."
        ),
        "Its windows keep to the same place (position lock 0.90).",
        "Its crops are near-copies of each other (stamp-likeness 0.95).",
        "It goes with 'site' even within one class (Cramer's V 0.48).",
        "The model relies on it and it does not seem to belong to the object: suspected reliance.",
    ]
    assert against == []


def test_a_tie_to_metadata_says_with_which_value_it_goes():
    one = assessment(conditional_association__site=0.48, conditional_association__date=0.2)
    said = {"site": "75% of the training pictures that show it have '{B}', 33% of the others"}
    why = reasons(one, measured_of(one), "suspected", "spiculated", said)
    assert why[3:5] == [
        (
            "It goes with 'site' even within one class (Cramer's V 0.48): of those answered 'spiculated', "
            "75% of the training pictures that show it have '{B}', 33% of the others."
        ),
        "It goes with 'date' even within one class (Cramer's V 0.20).",
    ]


def test_where_nothing_was_found_it_says_what_would_have_been():
    found = assessment(removal=0.0, removal_low=-0.1)
    paste = Effect(estimate=0.0, low=-0.05, high=0.05, pairs=64)
    tested = found.model_copy(update={"effects": found.effects.model_copy(update={"paste": paste})})
    line = "Its 64 pasted crops would have shown an effect of 0.05 with probability 0.50."
    assert told(tested, "not_relied_on")[1][-1] == line
    assert line not in told(tested, "genuine")[1]
    assert line not in told(found, "not_relied_on")[1]  # an older record does not say how many pairs


@pytest.mark.parametrize("weak", [{"removal_low": -0.1}, {"removal": 0.0001, "removal_low": 0.00001}])
def test_what_speaks_against_a_flag(weak):
    """An effect that may be nothing, and one that is next to nothing however surely it is there."""
    assert told(assessment(**weak), "suspected")[1] == [
        (
            "Taking it out alone has no sure effect worth speaking of: "
            "the model has other evidence for the same class."
        ),
        "No metadata column goes with it.",
    ]


def test_a_column_that_coincides_with_the_label_is_said():
    (line,) = [
        one for one in told(assessment(coincides_with__site=0.9), "undecidable")[0] if "coincides" in one
    ]
    assert line == (
        "It is tied to 'site' (Cramer's V 0.90), which coincides with the label in training: "
        "what the model learned of the label cannot be told from what it learned of 'site'."
    )


def test_what_was_not_tested_is_said():
    why, _ = told(assessment(tested=False, lock=0.2, stamp=0.2), "undecidable")
    assert why == [
        "No causal test was possible: too few of its samples, or of samples without it, can be read.",
        "The data cannot decide whether the model relies on something that does not belong.",
    ]


@pytest.mark.parametrize(
    ("fields", "verdict", "line"),
    [
        ({}, "not_relied_on", "It looks like something burnt in: always the same, always at the same place."),
        (
            {"paste": 0.1, "lock": 0.2},
            "genuine",
            "Its crop alone moves the model less than taking it out does.",
        ),
    ],
)
def test_what_speaks_for_a_flag_that_was_not_raised(fields, verdict, line):
    assert told(assessment(**fields), verdict)[1] == [line]


def test_metadata_names_with_braces_and_colons_are_kept():
    why, _ = told(assessment(**{"conditional_association:{x}:y": 0.5}), "suspected")
    assert "It goes with '{x}:y' even within one class (Cramer's V 0.50)." in why


def test_signs_stand_on_the_side_that_they_speak_for():
    outside = {"outside_object": 0.9, "prevalence": 0.9}
    beyond = "90% of its evidence lies outside the regions of interest."
    common = "90% of the pictures that were given the class show it."
    why, against = told(assessment(**outside), "suspected")
    assert why[-2] == beyond
    assert against[-1] == common
    why, against = told(assessment(lock=0.2, **outside), "genuine")
    assert why[-2] == common
    assert against[-1] == beyond
    why, against = told(assessment(lock=0.2, **outside), "not_relied_on")
    assert beyond not in why + against
