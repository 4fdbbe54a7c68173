"""``foveal library annotations``: out of one library, into another."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.library import Library
from foveal.library.annotations import Annotations


@pytest.fixture
def told(tracking_uri, observe, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    library = Library(f"told {tmp_path.name}", tracking_uri)
    library.add([observe()], "one")
    kept = Annotations(library.tracking)
    kept.add("Ann", "fc1:7", verdict="artefact", name="marker")
    kept.add("Bob", "fc1:7", verdict="genuine")
    return library


def run(*arguments):
    return CliRunner().invoke(build_app(), ["library", "annotations", *map(str, arguments)])


def test_it_shows_what_readers_say_and_that_the_chain_holds(told):
    shown = run(told.name)
    assert shown.exit_code == 0
    assert shown.output.splitlines() == [
        f"{told.name}: 2 events about 1 subjects",
        "! fc1:7 “marker”  Ann: artefact, Bob: genuine",
        "the chain holds",
    ]


def test_export_then_import_into_another_library(told, tmp_path, observe):
    other = Library(f"{told.name} too", told.tracking_uri)
    other.add([observe()], "one")
    assert run(told.name, "--export", tmp_path / "a.json").exit_code == 0
    report = json.loads(run(other.name, "--import", tmp_path / "a.json", "--json").output)
    assert (report["added"], report["events"], report["problems"]) == (2, 2, [])
    assert report["subjects"][0]["readers"] == {"Ann": "artefact", "Bob": "genuine"}
    assert report["heads"] == Annotations(told.tracking).heads()


def test_an_altered_event_ends_with_1(told):
    first = min(told.tracking.local("annotations").glob("*.json"))
    first.write_bytes(first.read_bytes() + b" ")
    shown = run(told.name)
    assert shown.exit_code == 1
    assert shown.output.splitlines()[-1] == "the chain does not hold"


def test_what_is_no_export_or_no_library_is_named(told, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    shown = run(told.name, "--import", tmp_path / "x.json")
    assert shown.exit_code == 2
    assert "These are no annotations. Give a file that" in shown.output
    shown = run(told.name + "x")
    assert shown.exit_code == 2
    assert f"No library '{told.name}x' at" in shown.output
