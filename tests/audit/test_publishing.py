"""A published audit: a bundle that can be verified, a run in MLflow, units in the library."""

from __future__ import annotations

import json
import re
import sys
from urllib.parse import unquote

import planted
import pytest

import foveal_audit.publishing
from foveal.errors import UsageError
from foveal.library import Library
from foveal_audit.bundle.manifest import write_manifest
from foveal_audit.commands.verify import check
from foveal_audit.properties.facet import FIRST_NUMBER
from foveal_audit.publishing import publish
from foveal_audit.settings import AuditSettings

SETTINGS = AuditSettings(pairs=20, nodes=0, generators=1, generator_steps=5)


@pytest.fixture(scope="module")
def published(planted_library, tmp_path_factory):
    """Publish an audit on a machine that cannot make PDFs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "weasyprint", None)
        return publish(planted.model(), planted_library, SETTINGS, tmp_path_factory.mktemp("out") / "bundle")


def test_the_bundle_is_intact(published):
    result = check(published.bundle)
    assert result["intact"], result["problems"]
    assert result["verdicts"] == published.findings.summary.facets > 0
    names = {path.relative_to(published.bundle).parts[0] for path in published.bundle.rglob("*")}
    assert {"findings.json", "coverage.csv", "report.html", "manifest.json", "generators"} <= names


def test_what_this_machine_cannot_make_is_a_warning_and_the_bundle_says_it(published):
    told = (published.bundle / "report.pdf.missing.txt").read_text().strip()
    assert told.startswith("report.pdf cannot be made: WeasyPrint or Pango is missing. Install Pango: ")
    assert published.warning == told


def test_the_report_has_the_sliders_of_its_generator(published):
    (generator,) = (published.bundle / "generators").iterdir()
    card = json.loads((generator / "card.json").read_text())
    html = (published.bundle / "report.html").read_text()
    (block,) = re.findall(r'<script type="application/json" class="lattice">(.*?)</script>', html, re.DOTALL)
    told = json.loads(block)
    assert told["feature"] == unquote(generator.name)
    words = [axis["words"] for axis in card["axes"]]
    assert [one["label"] for one in [*told["axes"], *told["more"]]] == words
    assert told["sprite"].startswith("data:image/webp;base64,")


def test_a_changed_number_is_found(published, tmp_path):
    altered = tmp_path / "altered"
    altered.mkdir()
    for path in published.bundle.rglob("*"):
        if path.is_file():
            (altered / path.relative_to(published.bundle)).parent.mkdir(parents=True, exist_ok=True)
            (altered / path.relative_to(published.bundle)).write_bytes(path.read_bytes())
    findings = json.loads((altered / "findings.json").read_text())
    flagged, verdict = (findings["findings"][0][key] for key in ("id", "verdict"))
    for one in [*findings["assessments"], *findings["findings"]]:
        if one["id"] == flagged:
            one["q_value"] = 0.5
    (altered / "findings.json").write_text(json.dumps(findings, sort_keys=True, indent=1) + "\n")
    assert check(altered)["problems"] == ["findings.json: altered"]
    # Even with a manifest made anew, the verdict does not follow from the number any more.
    from foveal_audit.bundle.schema import Findings  # noqa: PLC0415

    read = Findings.model_validate(findings)
    write_manifest(altered, read.fingerprint)
    (problem,) = check(altered)["problems"]
    assert problem.startswith(f"findings.json: {flagged} says {verdict}, its numbers say ")


def test_the_units_are_in_the_library(published, planted_library):
    found = {one.feature for one in published.findings.assessments if one.facet < FIRST_NUMBER}
    assert found <= set(Library(planted_library.name, planted_library.tracking_uri).features())


def test_the_audit_is_a_run_beside_the_library(published, planted_library):
    from mlflow import MlflowClient  # noqa: PLC0415

    runs = MlflowClient(planted_library.tracking_uri).search_runs(
        [planted_library.experiment_id], "tags.`foveal.role` = 'audit'"
    )
    assert published.findings.fingerprint in {run.data.tags["foveal.fingerprint"] for run in runs}
    assert published.url.endswith("/artifacts")


@pytest.fixture
def no_work(monkeypatch):
    """Fail where an audit begins before all that was asked for is known to be possible."""

    def begun(*_args):
        pytest.fail("the audit began")

    monkeypatch.setattr(foveal_audit.publishing, "audit", begun)


def test_an_unknown_library_is_refused(planted_library, tmp_path, no_work):
    unknown = Library("elsewhere", planted_library.tracking_uri)
    with pytest.raises(UsageError) as caught:
        publish(planted.model(), unknown, SETTINGS, tmp_path / "bundle")
    assert caught.value.fault == (
        f"There is no library 'elsewhere' in MLflow at {planted_library.tracking_uri}"
    )
    assert caught.value.mend == (
        "Fill it first: foveal collect python:planted:model DATA --source training --library elsewhere"
    )
    assert not (tmp_path / "bundle").exists()


def test_a_wrong_place_previous_or_key_is_refused_before_the_work(planted_library, tmp_path, no_work):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    (tmp_path / "key.pem").write_text("no key")
    for out, how, fault in (
        (tmp_path / "full", {}, f"{tmp_path / 'full'} is not empty and is not a bundle"),
        (
            tmp_path / "b",
            {"previous": tmp_path},
            f"{tmp_path} is not a bundle: it holds no manifest.json",
        ),
        (
            tmp_path / "b",
            {"key": tmp_path / "key.pem"},
            f"{tmp_path / 'key.pem'} is not an unencrypted private key in PEM",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            publish(planted.model(), planted_library, SETTINGS, out, **how)
        assert caught.value.fault == fault


@pytest.mark.parametrize("part", ["_write_generators", "write_manifest"])
def test_a_failure_leaves_no_half_bundle(planted_library, tmp_path, monkeypatch, part):
    def broken(*_args):
        raise RuntimeError("cut off")

    monkeypatch.setattr(f"foveal_audit.bundle.writing.{part}", broken)
    with pytest.raises(RuntimeError, match="cut off"):
        publish(planted.model(), planted_library, SETTINGS, tmp_path / "bundle", pdf=False)
    assert list(tmp_path.iterdir()) == []
