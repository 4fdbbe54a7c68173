"""`foveal library` as it is typed."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from ready_stores import ready_store
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.library import Library, leftovers
from foveal.spool import Spool

_NUMBERS = count()


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command against a store of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ready_store(tmp_path / "mlflow.db"))
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(leftovers, "_MOMENT_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    return lambda *options: CliRunner().invoke(build_app(), ["library", *options])


@pytest.fixture
def run_shared(run, tracking_uri, monkeypatch):
    """Run it against the store that tests share; making one takes a second or two."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    return run


@pytest.fixture
def kept(run_shared, observe):
    """A library of its own in the shared store."""
    return _filled(Library(f"kept {next(_NUMBERS)}"), observe)


@pytest.fixture
def nodules(run, observe):
    return _filled(Library("nodules"), observe)


def _filled(library, observe):
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


def test_erasing_prints_a_receipt(run, kept):
    lines = run("erase", kept.name, "--request-id", "a").stdout.splitlines()
    assert lines[0] == f"{kept.name}: 1 samples erased"
    assert "  library: 1 samples, 1 files, 26 entries" in lines
    assert "  events: 1 events" in lines
    assert lines[-1].startswith("  receipt: receipts/")
    assert run("erase", kept.name, "--request-id", "a").stdout == f"{kept.name}: nothing to erase\n"
    report = json.loads(run("erase", kept.name, "--sample", "b", "--json").stdout)
    assert (report["counts"]["library"]["samples"], report["complete"]) == (1, True)
    assert Library(kept.name).features() == {}


def test_erasing_what_cannot_be_reached_exits_with_4(run, kept, observe, tmp_path):
    with Spool(tmp_path / "spool" / kept.name.replace(" ", "%20")) as spool:
        spool.append(observe("r1"))
        done = run("erase", kept.name, "--request-id", "r1", "--spool", str(tmp_path / "spool"), "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["unreached"][0]["reason"] == "a living writer holds it"
    done = run("erase", kept.name, "--request-id", "r1", "--spool", str(tmp_path / "spool"))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:2] == [f"{kept.name}: 1 samples erased", "  spool: 1 samples, 1 files"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ([], "Say in one way which samples are meant. Give --request-id, --sample or --before, one of them."),
        (["--sample", "a", "--before", "2026-01-01"], "Say in one way which samples are meant."),
        (["--before", "may"], "'may' is no date. Write it as 2026-03-01 or 2026-03-01T12:00:00Z."),
        (["--sample", "a", "--source", "test"], "'test' is no source. Did you mean "),
        (["--sample", "a", "--spool", "nowhere"], "Spool 'nowhere' is no folder."),
    ],
)
def test_wrong_wishes_exit_with_2(run, kept, options, fault):
    done = run("erase", kept.name, *options)
    assert done.exit_code == 2
    assert fault in done.stderr


def test_retaining(run, kept):
    report = json.loads(run("retain", kept.name, "--days", "30", "--no-events", "--json").stdout)
    assert (report["counts"]["library"]["samples"], report["counts"]["events"]["events"]) == (1, 0)
    assert Library(kept.name).samples()["sample"].to_pylist() == ["b"]


def test_compacting(run, kept, observe):
    kept.add([observe("c")], "three")
    kept.add([observe("d")], "four")
    assert json.loads(run("compact", kept.name, "--json").stdout)["after"] == 2
    assert run("compact", kept.name).stdout == f"{kept.name}: nothing to merge among 2 shards\n"


def test_verifying(run, kept):
    (Path(kept.url) / "entries" / "two.parquet").unlink()
    done = run("verify", kept.name)
    assert done.exit_code == 1
    assert (
        "  entries/two.parquet is missing. Bring it back from a backup of the MLflow store."
        in done.stdout.splitlines()
    )
    done = run("verify", kept.name, "--deep", "--json")
    report = json.loads(done.stdout)
    assert {"place": "entries/two.parquet", "fault": "is missing"}.items() <= report["findings"][-1].items()


def test_exporting(run, kept, tmp_path):
    options = ["-o", str(tmp_path / "out"), "--feature", "fc1:3", "--json"]
    report = json.loads(run("export", kept.name, "--format", "folders", *options).stdout)
    assert report == {
        "out": str(tmp_path / "out"),
        "format": "folders",
        "entries": 1,
        "features": {"fc1:3": 1},
        "files": 2,
    }
    done = run("export", kept.name, "--format", "folder", "-o", str(tmp_path / "two"))
    assert done.exit_code == 2
    assert "'folder' is no format of an export. Did you mean 'folders'." in done.stderr
    done = run("export", kept.name, "--format", "webdataset", "-o", str(tmp_path / "tars"), "--limit", "1")
    assert done.stdout == f"25 entries of 25 features in 1 files at {tmp_path / 'tars'}\n"


def test_showing_an_unknown_library_names_the_nearest(run, nodules):
    done = run("show", "nodule")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        f"foveal: error: No library 'nodule' at {nodules.uri}. Did you mean 'nodules'."
    )
