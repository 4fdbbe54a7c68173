"""Experts' words go round: an audit, verdicts, the next audit and its report, worklists, erasure."""

from __future__ import annotations

import csv
import json
import re
from urllib.request import urlopen

import planted
import pytest
from fastapi.testclient import TestClient
from mlflow import MlflowClient
from ready_stores import ready_store
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.collecting import collect
from foveal.library import Library
from foveal.library.annotations import Annotations
from foveal.library.erasing import erase
from foveal.library.wanted import Wanted
from foveal.servers.mlflow import MlflowServer
from foveal_audit.bundle.schema import Findings
from foveal_audit.commands.verify import check
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard
from foveal_audit.publishing import publish
from foveal_audit.settings import AuditSettings

SETTINGS = AuditSettings(pairs=16, nodes=0, generators=0)
BASE = "http://127.0.0.1:8123"


@pytest.mark.slow
def test_experts_words_go_round(tmp_path, monkeypatch):
    uri = ready_store(tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)  # MLflow puts the artifacts of a database into the working folder
    _go_round(uri, tmp_path, monkeypatch)


@pytest.mark.full
def test_experts_words_go_round_through_a_server(tmp_path, monkeypatch):
    """Artifacts that only the server can reach, as in a team; and the links between explorer and MLflow."""
    with MlflowServer(tmp_path / "server") as server:
        MlflowClient(server.uri).create_experiment("foveal/round", "mlflow-artifacts:/round")
        run_id = _go_round(server.uri, tmp_path, monkeypatch)
        _links_lead_there_and_back(tmp_path / "second", run_id)


def _go_round(uri, folder, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    first, second = folder / "first", folder / "second"
    library = Library("round", uri)
    _grow(library, folder, training=90)
    mark, named, run_id = _say(library, first)
    _grow(library, folder, later=20)
    publish(planted.model(), library, SETTINGS, second, previous=first, pdf=False)
    _is_heard(library, second, mark, named)
    _samples_are_listed(library, second, folder / "lists")
    _is_forgotten(library, second, named)
    return run_id


def _grow(library, folder, **numbers):
    for seed, (name, number) in enumerate(numbers.items()):
        source = "training" if name == "training" else "production"
        collect(planted.model(), planted.write_images(folder, name, number, seed + number), source, library)


def _read(bundle):
    return Findings.model_validate_json((bundle / "findings.json").read_bytes())


def _client(exhibits):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), BASE, headers={"origin": BASE})
    client.get(f"/?token={guard.token}")
    return client


def _say(library, bundle):
    """Audit, and let a reader call the clearest finding genuine, on the explorer's own way."""
    published = publish(planted.model(), library, SETTINGS, bundle, pdf=False)
    mark = published.findings.artefacts[0]
    named = next(ref.sample for ref in mark.entries if ref.source == "training")
    said = {
        "who": "Ann",
        "subject": mark.id,
        "verdict": "genuine",
        "name": "corner",
        "note": f"as in {named}",
    }
    client = _client(open_exhibits(bundle, None))
    assert client.post("/api/annotations", json=said).status_code == 200
    return mark, named, published.run_id


def _is_heard(library, bundle, mark, named):
    findings = _read(bundle)
    (said,) = findings.experts.said
    flagged = next(one for one in findings.artefacts if one.id == said.about)
    assert flagged.verdict == mark.verdict  # words change no verdict
    assert (said.verdict, said.name, said.opinions[0].note) == ("genuine", "corner", f"as in {named}")
    assert findings.experts.heads == Annotations(library.tracking).heads()
    assert findings.experts.problems == []
    report = (bundle / "report.html").read_text("utf-8")
    assert "Experts call it genuine, and this audit flags it again" in report
    assert check(bundle)["intact"]


def _links_lead_there_and_back(bundle, run_id):
    """From the explorer to a run's page, and from the run's id to the explorer's comparison of it."""
    exhibits = open_exhibits(bundle, None)
    client = _client(exhibits)
    answer = client.get(f"/run/{run_id}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/compare?a={run_id}")
    page = client.get(f"/compare?a={run_id}").text
    address = re.search(rf'href="([^"]+/runs/{run_id})"', page)[1]
    server, _, place = address.partition("/#/experiments/")
    experiment, _, found = place.partition("/runs/")
    with urlopen(f"{server}/api/2.0/mlflow/runs/get?run_id={found}") as answer:
        info = json.load(answer)["run"]["info"]
    assert (info["run_id"], info["experiment_id"]) == (run_id, experiment)
    assert client.get("/course/" + exhibits.findings.artefacts[0].id).text.count("<tr>") == 3


def _samples_are_listed(library, bundle, folder):
    """Somebody else calls it an artefact too; as long as they differ nothing is listed."""
    about = _read(bundle).experts.said[0].about
    kept = Annotations(library.tracking)
    kept.add("Bob", about, verdict="artefact")
    assert _worklists(bundle, folder)["unwanted.csv"] == []
    kept.add("Ann", about, verdict="artefact")
    rows = _worklists(bundle, folder)["unwanted.csv"]
    facet = next(one for one in _read(bundle).assessments if one.id == about)
    assert {row["entry"] for row in rows} == {ref.id for ref in facet.entries if ref.source == "training"}
    assert {row["readers"] for row in rows} == {"Ann; Bob"}


def _worklists(bundle, folder):
    done = CliRunner().invoke(build_app(), ["worklists", str(bundle), "-o", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    tables = {path.name: list(csv.DictReader(path.open())) for path in folder.iterdir()}
    told = json.loads(done.stdout)["files"]
    assert told == {str(folder / name): len(rows) for name, rows in tables.items()}
    return tables


def _is_forgotten(library, bundle, named):
    receipt = erase(library, Wanted("sample", named), bundles=[bundle])
    assert receipt.complete
    assert receipt.counts["annotations"]["events"] >= 1
    kept = Annotations(Library(library.name, library.tracking_uri).tracking)
    assert kept.verify() == []
    assert kept.events()[0].note == "as in [erased]"
    assert named not in (bundle / "findings.json").read_text("utf-8")
    result = check(bundle)
    assert result["intact"]
    assert "findings.json" in result["redacted"]
