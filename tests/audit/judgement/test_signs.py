"""What the signals say in plain words."""

from __future__ import annotations

import pytest

from foveal_audit.bundle.schema import Signal
from foveal_audit.judgement.signals.registry import KINDS
from foveal_audit.judgement.signs import SIGNS, signs


def said(speaks, p=0.001, **values):
    found = {name.replace("__", ":"): Signal(value=value, p=p) for name, value in values.items()}
    return list(signs(found, speaks))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("outside_object", 0.82, "82% of its evidence lies outside the regions of interest."),
        ("moves_with_roi", 0.05, "It does not move with the region of interest (correlation 0.05)."),
        ("corner_lock", 0.7, "It keeps to places that mirror each other (lock 0.70)."),
        ("border", 0.9, "It lies nearer to the edge of the picture than 90% of other details."),
        ("unusual_place", 0.95, "It lies where hardly any other detail does (rank 0.95)."),
        ("constancy", 0.8, "Its pixels hardly change from picture to picture (constancy 0.80)."),
        (
            "recognised_without",
            1.1,
            "With it hidden, a plain learner still tells the class from the rest of the picture.",
        ),
        ("evidence_elsewhere", 0.5, "50% of the evidence found in its pictures lies in other details."),
        (
            "false_positive_lift",
            0.25,
            "Pictures of other classes are given this one more often where they show it (+25%).",
        ),
        ("recurrence", 0.2, "It does not come again within its pictures, but in others (rank 0.20)."),
        ("accuracy_loss", 0.12, "Answers of this class are wrong more often where it shows (+12%)."),
        ("runs__date", 0.4, "Samples that show it follow each other in 'date' even within one class."),
    ],
)
def test_signs_of_an_artefact(name, value, sentence):
    assert said("artefact", **{name: value}) == [sentence]
    assert said("genuine", **{name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("outside_object", 0.1, "90% of its evidence lies inside the regions of interest."),
        ("moves_with_roi", 0.9, "It moves with the region of interest (correlation 0.90)."),
        ("recurrence", 0.8, "It comes again within its pictures, more than in others (rank 0.80)."),
        ("moves_with_salience", 0.6, "It moves with what stands out beside it (correlation 0.60)."),
        (
            "recognised_without",
            0.1,
            "With it hidden, a plain learner no longer tells the class from the rest of the picture.",
        ),
        ("prevalence", 0.97, "97% of the pictures that were given the class show it."),
    ],
)
def test_signs_of_a_part_of_the_object(name, value, sentence):
    assert said("genuine", **{name: value}) == [sentence]
    assert said("artefact", **{name: value}) == []


def test_what_may_be_chance_is_not_said_where_chance_can_be_asked():
    assert said("artefact", p=0.05, border=0.9, accuracy_loss=0.3, constancy=0.9) == []
    assert said("artefact", p=None, evidence_elsewhere=0.5) != []


def test_middling_values_say_nothing():
    middling = dict.fromkeys(("outside_object", "moves_with_roi", "recognised_without"), 0.4)
    assert said("artefact", **middling) == said("genuine", **middling) == []


def test_signs_are_about_signals_that_exist_and_point_the_same_way():
    for sign in SIGNS:
        kind = KINDS[sign.signal]
        upper = sign.most >= 1
        assert (kind.direction == 1) == (upper == (sign.speaks == "artefact"))
