"""findings.json: its records, its invariants and its published schema."""

import json
import math
from datetime import datetime, timezone

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from foveal_audit.bundle.schema import (
    SCHEMA_FILE,
    Assessment,
    Effect,
    EntryRef,
    Environment,
    Findings,
    Signal,
    json_schema,
)


def assessment(**changes):
    base = {
        "id": "A-00000001",
        "feature": "fc1:7",
        "facet": 0,
        "n_entries": {"training": 5},
        "reliance": 0.1,
        "irrelevance": 0.2,
        "artefact_score": 0.3,
        "q_value": 0.5,
        "verdict": "genuine",
    }
    return Assessment(**(base | changes))


def test_the_published_schema_is_in_step_with_the_records():
    """Where this fails: python -c "from foveal_audit.bundle.schema import publish_schema as p; p()"."""
    assert json.loads(SCHEMA_FILE.read_text()) == json_schema()


def test_a_bundle_holds_to_the_published_schema(result):
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(result.findings.to_json()))


def test_the_published_schema_refuses_what_the_records_refuse(result):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    content = json.loads(result.findings.to_json())
    content["assessments"][0]["verdict"] = "compliant"
    content["assessments"][1]["colour"] = "red"
    content["seed"] = "zero"
    assert len(list(validator.iter_errors(content))) == 3


def test_findings_survive_a_trip_through_json(result):
    again = Findings.model_validate_json(result.findings.to_json())
    assert again == result.findings
    assert again.to_json() == result.findings.to_json()


def test_an_assessment_has_exactly_the_designed_keys(result):
    content = json.loads(result.findings.to_json())
    designed = {
        *("id", "feature", "facet", "n_entries", "reliance", "irrelevance", "artefact_score", "q_value"),
        *("verdict", "effects", "signals", "classes", "entries", "reasons", "counter_evidence"),
    }
    assert set(content["assessments"][0]) == designed
    assert set(content["findings"][0]) == designed | {"kind"}
    assert set(content["assessments"][0]["effects"]) == {"removal", "paste", "mediation"}
    assert {"estimate", "low", "high", "controls"} <= set(content["assessments"][0]["effects"]["removal"])
    assert {"sample", "window", "activation", "source"} <= set(content["assessments"][0]["entries"][0])


def test_findings_are_the_flagged_assessments_confirmed_first_then_the_gaps(make_result, result):
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    suspected = assessment(id="A-00000002", verdict="suspected", artefact_score=0.9)
    confirmed = assessment(id="A-00000003", verdict="confirmed", artefact_score=0.7)
    found = Findings.of([assessment(), suspected, confirmed], result.findings.gaps, **fields)
    assert [one.id for one in found.assessments] == ["A-00000002", "A-00000003", "A-00000001"]
    assert [one.id for one in found.findings] == ["A-00000003", "A-00000002", result.findings.gaps[0].id]
    assert found.summary.headline == "1 artefact confirmed, 1 suspected, 1 training-set gap"


def test_the_date_is_now_where_none_is_given(result):
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "created"})
    before = datetime.now(timezone.utc).replace(microsecond=0)
    assert before <= Findings.of([], **fields).created <= datetime.now(timezone.utc)


def test_the_fingerprint_leaves_out_date_and_timings_and_nothing_else(make_result):
    same = make_result(created=datetime(2030, 1, 1, tzinfo=timezone.utc), timings={"units": 99.0})
    assert same.findings.fingerprint == make_result().findings.fingerprint
    assert make_result(seed=1).findings.fingerprint != make_result().findings.fingerprint
    other = make_result(environment=Environment(sha256="e1" * 32, torch="2.14"))
    assert other.findings.fingerprint != make_result().findings.fingerprint


def test_equal_audits_give_equal_bytes(make_result):
    assert make_result().findings.to_json() == make_result().findings.to_json()


def test_numbers_carry_six_digits_whatever_type_they_come_in():
    assert Signal(value=np.float32(0.1)).value == 0.1
    assert Signal(value=np.float64(1234.56789), p=np.float64(1 / 3)) == Signal(value=1234.57, p=0.333333)


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_numbers_are_finite(value):
    with pytest.raises(ValidationError):
        Signal(value=value)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "compliant"},
        {"reliance": 1.2},
        {"reliance": -0.1},
        {"id": "F1"},
        {"n_entries": {"internet": 3}},
        {"classes": {"a": 1.5}},
        {"colour": "red"},
    ],
)
def test_an_assessment_refuses(changes):
    with pytest.raises(ValidationError):
        assessment(**changes)


def test_at_most_two_hundred_entries():
    entry = EntryRef(sample="a.png", window=(0, 0, 2, 2), activation=1, source="training")
    assert len(assessment(entries=[entry] * 200).entries) == 200
    with pytest.raises(ValidationError, match="at most 200"):
        assessment(entries=[entry] * 201)


@pytest.mark.parametrize("window", [(0, 5), (0, 0, 4, 4), (0, 0, 0, 1, 1, 1)])
def test_windows_of_traces_pictures_and_volumes(window):
    assert EntryRef(sample="a", window=window, activation=0, source="training").window == window


@pytest.mark.parametrize("window", [(4, 0, 4, 4), (0, 4, 4, 0), (0, 0, 4), (0,), ()])
def test_windows_that_hold_nothing_are_refused(window):
    with pytest.raises(ValidationError):
        EntryRef(sample="a", window=window, activation=0, source="training")


def test_a_reversed_interval_is_refused():
    with pytest.raises(ValidationError, match=r"the interval of an effect is reversed: low 2\.0, high 1\.0"):
        Effect(estimate=1, low=2, high=1)


def test_bytes_that_are_no_text_are_kept_as_escapes():
    entry = EntryRef(sample="scan\udcff.png", window=(0, 0, 1, 1), activation=0, source="training")
    assert entry.sample == "scan\\udcff.png"


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("assessments", lambda rows: rows[0].update(verdict="genuine"), "not the confirmed and suspected"),
        ("findings", lambda rows: rows.pop(), "summary does not count"),
        ("findings", lambda rows: rows[0].update(reliance=0.1), "not the confirmed and suspected"),
        ("summary", lambda summary: summary.update(facets=99), "summary does not count"),
        ("summary", lambda summary: summary.update(headline="All is well"), "summary does not count"),
        ("assessments", lambda rows: rows[-1].update(id=rows[-2]["id"]), "ids used twice"),
    ],
)
def test_findings_that_contradict_themselves_are_refused(result, section, change, message):
    content = json.loads(result.findings.to_json())
    change(content[section])
    with pytest.raises(ValidationError, match=message):
        Findings.model_validate(content)
