"""`foveal library` as it is typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.library import Library


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command against a store of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    return lambda *options: CliRunner().invoke(build_app(), ["library", *options])


@pytest.fixture
def nodules(run, observe):
    library = Library("nodules")
    features = tuple(f"fc1:{n}" for n in range(24))
    library.add([observe("a", features=("contribution", "contribution", *features))], "one")
    library.add([observe("b", source="training", features=("contribution",), model_sha256="e" * 64)], "two")
    library.report_losses("writer", {"quota": 3})
    return library


def test_listing(run, nodules, observe):
    Library("xrays").add([observe("a")], "one")
    assert run("list").stdout.splitlines() == [
        "nodules: 1 production, 1 training samples, 27 entries",
        "xrays: 1 production samples, 2 entries",
    ]
    report = json.loads(run("list", "--json").stdout)
    assert report["tracking_uri"] == nodules.uri
    assert report["libraries"][0] == {
        "name": "nodules",
        "samples": {"production": 1, "training": 1},
        "entries": {"production": 26, "training": 1},
        "run_id": nodules.run_id,
        "url": nodules.url,
    }


def test_listing_nothing_says_how_to_begin(run, tmp_path):
    assert run("list").stdout == (
        f"No library at sqlite:///{tmp_path / 'mlflow.db'}. Make one with: foveal collect or foveal ship\n"
    )


def test_showing(run, nodules):
    lines = run("show", "nodules").stdout.splitlines()
    assert lines[0] == "nodules: 1 production, 1 training samples, 27 entries of 25 features"
    assert lines[1:3] == ["        3  contribution", "        1  fc1:0"]
    assert "        5  features more: --json lists them all" in lines
    assert lines[-4:-1] == [
        "lost on the way: 3 quota",
        "1 samples seen by model eeeeeeeeeeee, configuration cccccccccccc",
        "1 samples seen by model mmmmmmmmmmmm, configuration cccccccccccc",
    ]
    assert lines[-1] == f"2 shards at {nodules.url}"


def test_showing_as_json(run, nodules):
    report = json.loads(run("show", "nodules", "--json").stdout)
    assert (report["samples"], report["losses"]) == ({"production": 1, "training": 1}, {"quota": 3})
    assert report["features"]["contribution"] == 3
    assert [shard["name"] for shard in report["shards"]] == ["one", "two"]
    assert report["run_id"] == nodules.run_id


def test_showing_an_unknown_library_names_the_nearest(run, nodules):
    done = run("show", "nodule")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        f"foveal: error: No library 'nodule' at {nodules.uri}. Did you mean 'nodules'."
    )
