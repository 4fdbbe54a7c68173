"""The audit from end to end on traces and on volumes: what was planted is found, and what belongs is not."""

from __future__ import annotations

import numpy as np
import planted_traces
import planted_volumes
import pytest
from ready_stores import ready_store

from foveal.archives import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.library import Library
from foveal.samples.traces.transform import TraceTransform
from foveal_audit.auditing import audit
from foveal_audit.judgement import rederive
from foveal_audit.opponents import OPPONENTS
from foveal_audit.settings import AuditSettings
from foveal_audit.studies import traces
from foveal_audit.studies.trace_network import TraceNet
from foveal_audit.studies.training import train_classifier
from foveal_audit.windows import read_evidence

pytestmark = pytest.mark.slow

SETTINGS = AuditSettings(pairs=32, nodes=1, generators=0)
FLAGGED = {"confirmed", "suspected"}


def filled(folder, name, model, tables):
    library = Library(name, ready_store(folder / "mlflow.db"))
    for source, table in tables.items():
        collect(model, table, source, library)
    return library


@pytest.fixture(scope="module")
def beats(tmp_path_factory):
    """Traces of training with the pulse, and of production, some of them upside down."""
    folder = tmp_path_factory.mktemp("beats")
    tables = {
        "training": planted_traces.write_traces(folder, "training", 150, 0),
        "production": planted_traces.write_traces(folder, "production", 50, 1, upside_down=0.18),
    }
    model = planted_traces.model()
    library = filled(folder, "beats", model, tables)
    return model, library, audit(model, library, SETTINGS).result.findings


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    model = planted_volumes.model()
    tables = {"training": planted_volumes.write_volumes(folder, "training", 120, 0)}
    library = filled(folder, "scans", model, tables)
    return audit(model, library, SETTINGS).result.findings


def lies_on(assessment, mark):
    """Whether most entries have their middle inside the mark."""
    axes = len(mark) // 2
    boxes = np.array([entry.window for entry in assessment.entries])
    middle = np.median((boxes[:, :axes] + boxes[:, axes:]) / 2, axis=0)
    return bool(((middle > mark[:axes]) & (middle < mark[axes:])).all())


def test_the_pulse_is_flagged_and_no_beat_is(beats):
    findings = beats[2]
    marks = [one for one in findings.assessments if lies_on(one, planted_traces.PULSE)]
    assert findings.assessments[0] in marks
    assert findings.assessments[0].verdict in FLAGGED
    flagged = [one for one in findings.assessments if one.verdict in FLAGGED]
    assert all(one in marks for one in flagged)
    assert any(one.verdict in ("genuine", "not_relied_on") for one in findings.assessments)


def test_the_pulse_acts_wherever_it_is_pasted_and_through_its_unit(beats):
    mark = beats[2].assessments[0]
    assert mark.effects.paste.low > 0.3
    assert mark.effects.mediation.low > 0.5
    assert mark.signals["paste_elsewhere"].value > 0.7
    assert mark.signals["position_lock"].value > 0.9
    assert mark.signals["stamp_likeness"].value > 0.9
    assert mark.signals["conditional_association:site"].p < 0.01


def test_beats_upside_down_are_a_gap(beats):
    (gap,) = beats[2].gaps
    assert gap.gap == "uncovered_group"
    assert 5 <= len(gap.samples) <= 14


def test_verdicts_of_traces_follow_from_what_is_written_down(beats):
    findings = beats[2]
    settings = findings.config.model_dump()
    assert all(rederive(one, settings) == one.verdict for one in findings.assessments)
    assert all(len(entry.window) == 2 for one in findings.assessments for entry in one.entries)


def test_published_detectors_look_at_traces_too(beats):
    model, library, _ = beats
    found = OPPONENTS["SpRAy"].artefacts(read_evidence(library, model.sha256), model, 0)
    assert len(found) > 1
    assert all(np.isfinite(group.score) for group in found)
    assert all(group.windows.boxes.shape[1] == 2 for group in found)


@pytest.fixture(scope="module")
def ecg(tmp_path_factory):
    """A network that was trained on recordings of which one recorder's begin with a calibration pulse."""
    folder, how = tmp_path_factory.mktemp("ecg"), traces.STUDIES["ecg"]
    made = traces.make_recordings("ecg", 7, 600)
    transform = TraceTransform(size=(how.steps,), channels=1, rate=how.rate, std=(0.3,))
    x = np.stack([transform(one.values).numpy() for one in made])
    y = np.array([one.label for one in made], np.int64)
    net = train_classifier(TraceNet, x, y, epochs=20, seed=0, rate=3e-3)
    watched = {"window": [how.steps // 10], "rule": {"percentile": 80}}
    config = FovealConfig.from_mapping(watched, environ={})
    model = AuditedModel("ecg", net, transform, how.labels, config, "2" * 64, "python:ecg:model")
    tables = {"training": traces.write_recordings(folder, "training", "ecg", made)}
    settings = AuditSettings(pairs=64, nodes=0, generators=0)
    return audit(model, filled(folder, "ecg", model, tables), settings).result.findings


def test_a_trained_network_is_caught_at_the_pulse_and_nowhere_else(ecg):
    (pulse,) = {one.mark for one in traces.make_recordings("ecg", 7, 600) if one.mark}
    flagged = [one for one in ecg.assessments if one.verdict in FLAGGED]
    assert flagged[:1] == ecg.assessments[:1]
    assert all(lies_on(one, pulse) for one in flagged)
    assert ecg.assessments[0].effects.removal.low > 0.05


def test_the_cube_is_flagged_and_nothing_else_is(scans):
    marks = [one for one in scans.assessments if lies_on(one, planted_volumes.CUBE)]
    assert scans.assessments[0] in marks
    assert scans.assessments[0].verdict in FLAGGED
    assert [one.id for one in scans.artefacts if one.id != scans.assessments[0].id] == []
    assert scans.assessments[0].effects.paste.low > 0.3
    assert all(len(entry.window) == 6 for one in scans.assessments for entry in one.entries)
