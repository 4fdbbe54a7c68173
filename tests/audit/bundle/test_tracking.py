"""The bundle as a run in MLflow, against a real store."""

import html
import json
import re

import pytest
from mlflow import MlflowClient

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.bundle.tracking import log_bundle, note
from foveal_audit.bundle.writing import write_bundle


def write_card(folder):
    (folder / "card.json").write_text("{}")


@pytest.fixture
def bundle(result, tmp_path):
    documents = {"report.html": lambda result: "<p>report</p>"}
    return write_bundle(
        result, tmp_path / "bundle", documents=documents, generators={"contribution:12": write_card}
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all tests: making it takes MLflow seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def uri(store, monkeypatch):
    monkeypatch.chdir(store)  # MLflow puts the artifacts of a database into the working folder
    return f"sqlite:///{store / 'mlflow.db'}"


@pytest.fixture
def library(uri, request):
    library = Library(request.node.name, uri)
    library.report_losses("none", {})  # makes the library in MLflow
    return library


def audits(uri, library):
    return MlflowClient(uri).search_runs([library.experiment_id], "tags.`foveal.role` = 'audit'")


def test_a_bundle_becomes_a_run_beside_the_library(bundle, library, uri, result, tmp_path):
    run_id, address = log_bundle(bundle, library)
    (run,) = audits(uri, library)
    assert run_id == run.info.run_id != library.run_id
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "audit 2026-11-21 08:07"
    assert run.data.tags["foveal.model_sha256"] == result.findings.model.sha256
    assert run.data.tags["foveal.findings"] == "2"
    assert run.data.tags["foveal.verdict"] == "1 artefact suspected, 1 training-set gap"
    assert address == run.info.artifact_uri


def test_the_logged_bundle_is_intact(bundle, library, uri, tmp_path):
    log_bundle(bundle, library)
    (run,) = audits(uri, library)
    (tmp_path / "copy").mkdir()
    copy = MlflowClient(uri).download_artifacts(run.info.run_id, "", str(tmp_path / "copy"))
    assert verify_manifest(type(bundle)(copy)) == []
    assert (type(bundle)(copy) / "generators" / "contribution:12" / "card.json").is_file()


def test_the_note_says_the_verdict_first_and_links_the_report(bundle, library, uri):
    log_bundle(bundle, library)
    (run,) = audits(uri, library)
    text = run.data.tags["mlflow.note.content"]
    assert text.startswith("## 1 artefact suspected, 1 training-set gap\n")
    place = f"/#/experiments/{library.experiment_id}/runs/{run.info.run_id}/artifacts/report.html"
    assert f"[Read the report]({place})" in text
    assert "5 facets examined: 0 confirmed, 1 suspected, 2 genuine, 1 not relied on, 1 undecidable." in text


def test_every_audit_is_a_run_of_its_own(bundle, library, uri):
    log_bundle(bundle, library)
    log_bundle(bundle, library)
    assert len(audits(uri, library)) == 2


def test_labels_cannot_write_markdown(make_result):
    statement = "![x](http://evil/p.png) <img src=x onerror=alert(1)>\n# Heading `code` https://evil"
    findings = make_result().findings
    gap = findings.gaps[0].model_copy(update={"statement": statement})
    text = note(findings.model_copy(update={"findings": [*findings.artefacts, gap]}), "/#/runs/1")
    (line,) = (line for line in text.splitlines() if gap.id in line)
    assert not set("![]()<>#*_") & set(re.sub("&#[0-9]+;", "", line.split(": ", 1)[1]))
    assert "://" not in line
    assert html.unescape(line).endswith(" ".join(statement.split()))
    assert not any(line.startswith("# Heading") for line in text.splitlines())


def test_a_note_with_very_many_findings_fits_into_a_tag(make_result):
    findings = make_result().findings
    gap = findings.gaps[0].model_copy(update={"statement": "(" * 5000})
    text = note(findings.model_copy(update={"findings": [gap] * 300}), "http://mlflow.example/#/runs/1")
    listed = text.count(gap.id)
    assert len(text) < 8000
    assert 5 <= listed < 20
    assert f"- and {300 - listed} more in findings.json" in text


def test_a_run_that_breaks_off_is_marked_as_failed(bundle, library, uri, monkeypatch):
    def refuse(*_arguments):
        raise OSError("disk full")

    monkeypatch.setattr(MlflowClient, "log_artifacts", refuse)
    with pytest.raises(EnvironmentFault, match="disk full"):
        log_bundle(bundle, library)
    (run,) = audits(uri, library)
    assert run.info.status == "FAILED"


def test_what_is_no_bundle_is_not_logged(tmp_path, library, uri):
    with pytest.raises(UsageError, match="is not a bundle"):
        log_bundle(tmp_path, library)
    assert audits(uri, library) == []


def test_the_tags_hold_what_the_manifest_says(bundle, library, uri):
    log_bundle(bundle, library)
    (run,) = audits(uri, library)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert run.data.tags["foveal.chain"] == manifest["chain"]
    assert run.data.tags["foveal.fingerprint"] == manifest["fingerprint"]
