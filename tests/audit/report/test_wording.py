"""The report's words and numbers."""

from typing import get_args

import pytest

from foveal_audit.bundle.schema import Action, Effect, Effects, EntryRef, GapKind, Signal
from foveal_audit.bundle.summary import VERDICTS
from foveal_audit.judgement.effects import PASTE_MARGIN, REMOVAL_MARGIN
from foveal_audit.judgement.profile import (
    BLURRED,
    BORDER,
    ELSEWHERE,
    ELSEWHERE_CROP,
    INDEPENDENCE,
    PLAIN,
    SCRAMBLED,
    STRONGEST,
)
from foveal_audit.judgement.signals.registry import KINDS
from foveal_audit.judgement.walking import GENERATOR_RANK, GENERATOR_SLOPE
from foveal_audit.report import naming, wording
from foveal_audit.units.formation import Formation


def test_every_verdict_gap_action_and_test_has_words():
    assert set(wording.VERDICTS) == set(VERDICTS)
    assert set(wording.GAPS) == set(get_args(GapKind))
    assert set(wording.ACTIONS) == set(get_args(Action))
    assert set(wording.EFFECTS) == set(Effects.model_fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.123"), (-1.5, "\u22121.5"), (12345.6, "12,346"), (0, "0"), (3.0, "3")],
)
def test_numbers(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.42, "0.42"), (-0.304, "\u22120.30"), (-0.001, "0.00"), (1, "1.00")]
)
def test_changes(value, text):
    assert wording.change(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.0012, "0.12%"), (0.06, "6%"), (0.099, "9.9%"), (0.4567, "46%"), (1, "100%")],
)
def test_shares(share, text):
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("p", "text"), [(None, "\u2013"), (0.0004, "< 0.001"), (0.001, "0.001"), (0.05, "0.050"), (1, "1.000")]
)
def test_probabilities(p, text):
    assert wording.probability(p) == text


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ((3, 40), "steps 3\u201340"),
        ((1, 2, 33, 34), "rows 1\u201333, columns 2\u201334"),
        ((0, 1, 2, 3, 4, 5), "slices 0\u20133, rows 1\u20134, columns 2\u20135"),
    ],
)
def test_windows(box, text):
    entry = EntryRef(sample="s", window=box, activation=1.0, source="training")
    assert wording.where(entry) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("position_lock", "Position lock"),
        ("conditional_association:site", "Metadata, given class: site"),
        ("new_signal", "New signal"),
        ("drawn_two_tones", "Drawn two tones"),
        ("separation:looks", "Separation: looks"),
    ],
)
def test_signals_have_names(name, words):
    assert naming.signal(name).name == words


MEASURED = [
    *KINDS,
    *(REMOVAL_MARGIN, PASTE_MARGIN, ELSEWHERE, BORDER, INDEPENDENCE),
    *(PLAIN, BLURRED, SCRAMBLED, ELSEWHERE_CROP, STRONGEST),
    *(f"{GENERATOR_SLOPE}:0", f"{GENERATOR_RANK}:0", "dose_slope", "dose_rank"),
    *Formation(0.9, {"looks": 3.0}).signals(),
    *("property:rim", "property_ubiquity", "property_background", "property_purity", "property_prevalence"),
    *("property_likeness", "property_false_answers", "property_fidelity", "carried_over:rim"),
    "taken_away:rim",
]


@pytest.mark.parametrize("name", MEASURED)
def test_everything_that_is_measured_has_a_meaning(name):
    term = naming.signal(name)
    assert len(term.meaning) > 10
    assert "_" not in term.name


@pytest.mark.parametrize(
    ("log_odds", "text"), [(0.0, "\u00d7\u00a01.0"), (1.0, "\u00d7\u00a02.7"), (-1.0, "\u00f7\u00a02.7")]
)
def test_what_a_sign_does_to_the_odds(log_odds, text):
    assert wording.times(log_odds) == text


def test_the_strongest_signs_are_named_and_controls_are_no_signs(facet):
    signals = {name: Signal(value=1.0, p=0.001) for name in ("border", "control_blurred", "corner_lock")}
    assert wording.statement(facet({}, signals=signals)).endswith(
        "Signs that it has nothing to do with the task: it keeps to one place or to its mirror images "
        "(corners, for example); it lies nearer to the edge of the picture than 100% of other details."
    )


def test_a_place_is_claimed_once(facet):
    signals = {name: Signal(value=1.0, p=0.001) for name in ("corner_lock", "position_lock")}
    assert wording.statement(facet({}, signals=signals)).endswith(
        "nothing to do with the task: it keeps to the same place in the picture."
    )


def test_an_answer_that_most_do_not_have_is_told_with_the_next(facet):
    assert wording.statement(facet({}, classes={"a": 0.39, "b": 0.43, "c": 0.18})) == (
        "The model leans on a recurring detail. "
        "Where it shows, the answer is most often \u201cb\u201d (43% of the entries), "
        "then \u201ca\u201d (39%)."
    )


def test_the_statement_says_answer_effects_and_signs(facet):
    text = wording.statement(
        facet(
            {},
            classes={"benign": 0.1, "malignant": 0.9},
            effects=Effects(
                removal=Effect(estimate=0.4, low=0.3, high=0.5), paste=Effect(estimate=0.2, low=0.1, high=0.3)
            ),
            signals={"position_lock": Signal(value=0.9, p=0.005), "border": Signal(value=0.2, p=0.4)},
        )
    )
    assert text == (
        "The model leans on a recurring detail. "
        "Where it shows, the answer is most often \u201cmalignant\u201d (90% of the entries). "
        "Painting it over takes 0.40 (0.30 to 0.50) off the probability of that answer. "
        "Putting it into other images adds 0.20 (0.10 to 0.30) to the probability of that answer. "
        "Signs that it has nothing to do with the task: it keeps to the same place in the picture."
    )


def test_an_effect_that_may_be_none_is_not_called_one(facet):
    text = wording.statement(facet({}, effects=Effects(removal=Effect(estimate=0.1, low=-0.1, high=0.3))))
    assert text == (
        "The model leans on a recurring detail. "
        "Painting it over has no measurable effect of that kind (\u22120.10 to 0.30)."
    )


def test_signs_are_not_held_against_a_facet_that_looks_genuine(facet):
    text = wording.statement(facet({}, verdict="genuine", signals={"border": Signal(value=1, p=0.001)}))
    assert "Signs" not in text


def test_nested_records_become_lines():
    card = {"b": {"x": 0.5, "y": None}, "a": [1, 2.25], "c": "text", "d": True}
    card["e"] = [{"signal": "border", "weight": 0.51234, "of": [1, {"x": None}]}, 3]
    assert list(wording.flat(card)) == [
        ("a", "1, 2.25"),
        ("b \u203a x", "0.5"),
        ("b \u203a y", "\u2013"),
        ("c", "text"),
        ("d", "True"),
        ("e \u203a 1", "signal border, weight 0.512, of 1, x \u2013"),
        ("e \u203a 2", "3"),
    ]
