"""foveal verify."""

import hashlib
import json

import pytest
import typer
from typer.testing import CliRunner

import foveal_audit.judgement
from foveal.errors import UsageError
from foveal_audit.bundle.manifest import write_manifest
from foveal_audit.bundle.redactions import Redactions
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.commands import verify
from foveal_audit.report.documents import documents


@pytest.fixture
def run():
    app = typer.Typer()
    app.callback()(lambda: None)
    verify.register(app)
    return lambda *words: CliRunner().invoke(app, ["verify", *map(str, words)])


@pytest.fixture(autouse=True)
def rule(monkeypatch):
    """A rule that finds in every assessment what it says, unless a test replaces it."""
    monkeypatch.setattr(
        foveal_audit.judgement, "rederive", lambda assessment, settings: assessment.verdict, raising=False
    )


@pytest.fixture
def bundle(result, tmp_path):
    return write_bundle(result, tmp_path / "bundle", documents=documents(pdf=False))


def test_an_intact_bundle(run, bundle):
    outcome = run(bundle)
    assert outcome.exit_code == 0
    lines = outcome.output.splitlines()
    assert lines[0] == f"intact  {bundle}"
    assert lines[1] == "  5 files, 5 verdicts derived again"
    assert lines[2].endswith(", first of its chain")
    assert lines[3] == "  not signed"


def test_every_altered_file_is_named(run, bundle):
    (bundle / "report.html").write_text("all is well")
    (bundle / "coverage.csv").unlink()
    outcome = run(bundle)
    assert outcome.exit_code == 1
    expected = [f"altered  {bundle}", "  coverage.csv: missing", "  report.html: altered"]
    assert outcome.output.splitlines() == expected


def test_what_is_no_bundle_is_a_usage_error(run, tmp_path):
    outcome = run(tmp_path / "nowhere")
    assert isinstance(outcome.exception, UsageError)
    assert outcome.exception.exit_code == 2
    assert "nowhere is not a bundle: it holds no manifest.json" in str(outcome.exception)


def test_json(run, bundle):
    outcome = run(bundle, "--json")
    report = json.loads(outcome.output)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert report == {
        "bundle": str(bundle),
        "intact": True,
        "problems": [],
        "files": 5,
        "chain": manifest["chain"],
        "previous": None,
        "signed_by": None,
        "redacted": {},
        "verdicts": 5,
    }


def test_json_of_an_altered_bundle(run, bundle):
    (bundle / "findings.json").write_text("{}")
    outcome = run(bundle, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.output)["problems"] == ["findings.json: altered"]


def test_a_verdict_that_its_numbers_do_not_give_is_named(run, bundle, result, monkeypatch):
    one = result.findings.artefacts[0]

    def rederive(assessment, settings):
        assert settings["reliance_threshold"] == 0.3
        return "genuine" if assessment.id == one.id else assessment.verdict

    monkeypatch.setattr(foveal_audit.judgement, "rederive", rederive)
    outcome = run(bundle)
    assert outcome.exit_code == 1
    assert outcome.output.splitlines()[1:] == [
        f"  findings.json: {one.id} says suspected, its numbers say genuine"
    ]


def test_without_a_rule_it_says_that_verdicts_were_not_derived(run, bundle, monkeypatch):
    monkeypatch.delattr(foveal_audit.judgement, "rederive")
    outcome = run(bundle)
    assert outcome.exit_code == 0
    assert "verdicts not derived again" in outcome.output


def test_findings_that_contradict_themselves_show_even_with_a_fitting_manifest(run, bundle, result):
    content = json.loads((bundle / "findings.json").read_text())
    content["findings"] = []
    (bundle / "findings.json").write_text(json.dumps(content))
    (bundle / "manifest.json").unlink()
    write_manifest(bundle, result.findings.fingerprint)
    outcome = run(bundle)
    assert outcome.exit_code == 1
    assert "findings.json: not valid findings (Value error, the artefact findings are not" in outcome.output


def test_findings_of_another_audit_show_even_with_a_fitting_manifest(run, bundle, make_result):
    write_manifest(bundle, make_result(seed=9).findings.fingerprint)
    (bundle / "manifest.json").unlink()
    write_manifest(bundle, make_result(seed=9).findings.fingerprint)
    outcome = run(bundle)
    assert outcome.exit_code == 1
    assert outcome.output.splitlines()[1:] == [
        "  findings.json: does not have the fingerprint of the manifest"
    ]


def test_the_previous_bundle_is_checked_when_given(run, bundle, result, tmp_path):
    later = write_bundle(result, tmp_path / "later", documents={}, previous=bundle)
    assert run(later, "--previous", bundle).exit_code == 0
    outcome = run(bundle, "--previous", later)
    assert outcome.exit_code == 1
    assert f"manifest.json: does not follow {later}" in outcome.output


def test_a_redacted_bundle_is_not_taken_for_what_was_signed(run, bundle):
    """Anybody who can write to the folder can claim an erasure, so somebody has to say that there was one."""
    change = {"was": hashlib.sha256((bundle / "report.html").read_bytes()).hexdigest(), "now": None}
    (bundle / "report.html").unlink()
    redaction = {"erasure": "e", "when": "2026-03-01T00:00:00Z", "why": "w", "files": {"report.html": change}}
    (bundle / "redactions.json").write_text(Redactions(redactions=[redaction]).to_json())
    outcome = run(bundle)
    assert outcome.exit_code == 1
    lines = outcome.output.splitlines()
    assert lines[0] == f"redacted  {bundle}"
    told = "  report.html: taken out when samples were erased; what it said before cannot be checked"
    assert lines[-2] == told
    assert lines[-1] == (
        "  whoever can write to the bundle can say so of a file: compare with the erasure's receipt, "
        "then give --allow-redacted"
    )
    assert run(bundle, "--allow-redacted").exit_code == 0
    assert json.loads(run(bundle, "--json").output)["redacted"] == {"report.html": None}
    (bundle / "coverage.csv").unlink()
    assert run(bundle, "--allow-redacted").exit_code == 1
