"""The audit from end to end, on a tiny model whose truth is known and a real library."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted
import pytest
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.errors import UsageError
from foveal.library import Library
from foveal_audit.auditing import audit
from foveal_audit.bundle.identity import sha256_json
from foveal_audit.judgement import rederive
from foveal_audit.knowledge import Knowledge
from foveal_audit.properties.facet import FIRST_NUMBER
from foveal_audit.settings import AuditSettings

SETTINGS = AuditSettings(pairs=40, nodes=2, generators=1, generator_steps=10)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def audited(planted_library, told):
    return audit(planted.model(), planted_library, SETTINGS, lambda *words: told.append(words))


def shows_mark(assessment):
    """Whether most entries lie on the corner."""
    centres = [(e.window[0] + e.window[2]) / 2 for e in assessment.entries]
    return np.median(centres) < 8


def test_the_mark_ranks_first_and_is_confirmed(audited):
    findings = audited.result.findings
    marks = [one for one in findings.assessments if shows_mark(one)]
    assert findings.assessments[0] in marks
    assert {one.verdict for one in marks} <= {"confirmed", "suspected"}
    (unit,) = [one for one in marks if one.feature.startswith("contribution")]
    assert unit.verdict == "confirmed"
    assert [
        one.id
        for one in findings.artefacts
        if not shows_mark(next(a for a in findings.assessments if a.id == one.id))
    ] == []
    assert findings.gaps == []


def test_the_same_audit_again_has_the_same_fingerprint(audited, planted_library):
    again = audit(planted.model(), planted_library, SETTINGS)
    assert again.result.findings.fingerprint == audited.result.findings.fingerprint
    assert again.units == audited.units
    assert list(again.result.coverage) == list(audited.result.coverage)


def test_another_seed_is_another_audit(audited, planted_library):
    other = audit(planted.model(), planted_library, replace(SETTINGS, seed=1, generators=0))
    assert other.result.findings.fingerprint != audited.result.findings.fingerprint


def told_of(findings):
    """What was found, without who it was found in."""
    names = {"id", "entries"}
    return [one.model_dump(exclude=names) for one in findings.assessments], findings.not_examined


def renamed(manifest):
    """Call the samples of a manifest by other names, in another order; the folder's other files stay."""
    header, *rows = manifest.read_text().splitlines()
    for number, row in enumerate(rows):
        path, label, site = row.split(",")
        name = f"{path.partition('/')[0]}/{17 * number % 60:02}-again.png"
        (manifest.parent / path).rename(manifest.parent / name)
        rows[number] = f"{name},{label},{site}"
    manifest.write_text("\n".join([header, *rows]) + "\n")
    return manifest


def test_what_requests_were_called_changes_nothing(audited, tmp_path, monkeypatch):
    """A serving stack draws the names of requests anew; findings on the same content stay the same."""
    monkeypatch.chdir(tmp_path)
    library = Library("renamed", ready_store(tmp_path / "mlflow.db"))
    collect(planted.model(), planted.write_images(tmp_path, "training", 200, 0), "training", library)
    collect(
        planted.model(), renamed(planted.write_images(tmp_path, "production", 60, 1)), "production", library
    )
    again, first = audit(planted.model(), library, SETTINGS).result, audited.result
    assert told_of(again.findings) == told_of(first.findings)
    assert [row.sample for row in again.coverage] != [row.sample for row in first.coverage]
    told = [sorted(row.p_value for row in result.coverage) for result in (again, first)]
    assert told[0] == told[1]


def test_every_verdict_follows_from_the_record(audited):
    findings = audited.result.findings
    settings = findings.config.model_dump()
    assert [rederive(one, settings) for one in findings.assessments] == [
        one.verdict for one in findings.assessments
    ]


def test_every_number_says_where_it_comes_from(audited, planted_library):
    findings = audited.result.findings
    assert findings.model.sha256 == planted.model().sha256
    assert findings.library.samples == {"training": 200, "production": 60}
    assert findings.library.entries == {
        source: len(planted_library.entries(source=source, units=False))
        for source in ("training", "production")
    }
    shards = planted_library.shards()
    assert findings.library.shards == {shard["name"]: shard["sha256"] for shard in shards}
    config = findings.config.model_dump()
    assert config["audit"]["pairs"] == 40
    assert config["thresholds"]["fdr"] == 0.05
    assert config.pop("sha256") == sha256_json(config)
    environment = findings.environment.model_dump()
    assert environment.pop("sha256") == sha256_json(environment)
    assert {"python", "torch", "numpy", "foveal"} <= set(environment)
    known = {entry["id"]: entry for entry in planted_library.entries(units=False).to_pylist()}
    for one in findings.assessments:
        for entry in one.entries:
            if one.facet >= FIRST_NUMBER:  # whole pictures are no entries
                assert entry.id is None
                continue
            assert tuple(known[entry.id]["window"]) == entry.window
            assert known[entry.id]["sample"] == entry.sample


def test_what_experts_know_is_used_and_written_down(planted_library):
    """Regions of the object, wherever it lies: the mark in the corner is outside of them."""
    names = planted_library.samples(columns=["sample"])["sample"].to_pylist()
    rois = {name: np.array([[10, 10, 24, 24]]) for name in names}
    knowledge = Knowledge(rois)
    result = audit(planted.model(), planted_library, replace(SETTINGS, generators=0), knowledge=knowledge)
    findings = result.result.findings
    outside = {
        one.id: one.signals["outside_object"].value for one in findings.assessments if one.facet < 1000
    }
    assert min(value for name, value in outside.items() if shows_mark(by_id(findings, name))) > 0.9
    assert max(value for name, value in outside.items() if not shows_mark(by_id(findings, name))) < 0.2
    assert findings.config.model_dump()["knowledge_sha256"] == knowledge.identity


def by_id(findings, name):
    return next(one for one in findings.assessments if one.id == name)


def test_every_contribution_window_has_a_unit(audited, planted_library):
    windows = planted_library.entries("contribution", units=False, columns=["id"])["id"].to_pylist()
    assert sorted(audited.units) == sorted(windows)
    assert {unit.partition(":")[0] for unit in audited.units.values()} == {"contribution"}


def test_coverage_has_a_row_for_every_production_sample(audited):
    rows = audited.result.coverage
    assert [row.sample for row in rows] == [f"production/{n:03}.png" for n in range(60)]
    assert all(0 < row.p_value <= 1 and row.gap_group is None for row in rows)


def test_what_was_not_examined_is_said(audited):
    lines = audited.result.findings.not_examined
    assert any(line.endswith("contribution units with fewer than 20 training entries") for line in lines)
    assert any(line.startswith("1 nodes with fewer entries (fc1:") for line in lines)
    assert any(line.startswith("No generator learned the appearance of ") for line in lines)


def test_what_would_have_been_missed_is_said(audited):
    (line,) = [line for line in audited.result.findings.not_examined if "would be missed" in line]
    assert re.fullmatch(
        r"With crops of 200 training samples an artefact that changes the probability by 0\.\d0 and has a "
        r"prevalence below \d+\.\d% would be missed with probability 0\.4 or more; one that changes it by "
        r"0\.05, whatever its prevalence, with 0\.\d\d or more",
        line,
    )
    idle = [one for one in audited.result.findings.assessments if one.verdict == "not_relied_on"]
    tested = [one for one in idle if one.effects.paste]
    assert all("pasted crops would have shown an effect" in one.counter_evidence[-1] for one in tested)


def test_kept_features_with_a_generator_are_walked(audited):
    drawn = {one.feature for one in audited.result.findings.assessments} & set(audited.generators)
    walked = {
        one.feature
        for one in audited.result.findings.assessments
        for name in one.signals
        if name.startswith("generator_slope:")
    }
    assert walked == drawn == set(audited.generators)
    for one in audited.result.findings.assessments:
        for name, signal in one.signals.items():
            assert not name.startswith("generator_") or 0 < signal.p <= 1


def test_pictures_belong_to_their_assessments(audited):
    findings = audited.result.findings
    evidence = audited.result.facets
    assert {one.assessment.id for one in evidence} == {one.id for one in findings.assessments}
    for one in evidence:
        assert len(one.crops) == len(one.maps) == len(one.refs) > 0
        assert all(crop.dtype == np.uint8 for crop in one.crops)
        assert len({ref.sample for ref in one.refs}) == len(one.refs)  # one crop a sample
    drawn = [one for one in evidence if one.card is not None]
    assert [one.generator_dir for one in drawn] == [f"generators/{name}" for name in audited.generators]
    assert len(drawn) == 1
    assert drawn[0].assessment.verdict in ("confirmed", "suspected")
    assert len(drawn[0].generated) == len(drawn[0].nearest) == 8


def test_progress_ends_what_it_begins(audited, told):
    whats = dict.fromkeys(what for what, _, _ in told)
    assert list(whats) == [
        "reading the library",
        "finding units",
        "judging facets",
        "looking for gaps",
        "learning appearances",
    ]
    for name in whats:
        done = [(done, total) for what, done, total in told if what == name]
        assert done[-1][0] == done[-1][1]
        assert done == sorted(done)


def collected(tmp_path, monkeypatch, **sources):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    library = Library("small", ready_store(tmp_path / "mlflow.db"))
    from foveal.collecting import collect  # noqa: PLC0415

    for source, number in sources.items():
        collect(planted.model(), planted.write_images(tmp_path, source, number, number), source, library)
    return library


@pytest.mark.parametrize("sources", [{"training": 1, "production": 4}, {"training": 30, "production": 1}])
def test_tiny_libraries_are_audited_as_far_as_they_go(tmp_path, monkeypatch, sources):
    library = collected(tmp_path, monkeypatch, **sources)
    findings = audit(planted.model(), library, SETTINGS).result.findings
    assert findings.artefacts == findings.gaps == []
    assert findings.not_examined


def test_files_that_are_gone_are_said(tmp_path, monkeypatch):
    library = collected(tmp_path, monkeypatch, training=40)
    for number in range(20):
        Path(tmp_path, "training", f"{number:03}.png").unlink()
        with Path(tmp_path, "training", f"{number + 20:03}.png").open("ab") as changed:
            changed.write(b"another file now")
    findings = audit(planted.model(), library, SETTINGS).result.findings
    assert "40 samples whose file is gone or was changed: no causal test is possible" in findings.not_examined
    assert (
        "Training-set gaps: the library holds no production samples to compare with" in findings.not_examined
    )
    assert {one.verdict for one in findings.assessments} == {"undecidable"}


def test_a_library_of_another_model_is_refused(planted_library):
    with pytest.raises(UsageError) as caught:
        audit(replace(planted.model(), sha256="e" * 64), planted_library, SETTINGS)
    assert caught.value.fault == (
        "Library 'planted' holds nothing about model eeeeeeeeeeee (it knows ffffffffffff)"
    )
