"""`foveal demo --kind` from the first sample to the report, through a real TorchServe and a real MLflow."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ready_stores import ready_store

from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.demo.kinds import KINDS

#: What the quick demo of each kind must find, beyond seeing what was planted. Request ids differ from run to
#: run, and with them the audit's draws: what lies near a threshold is only held against what is said of it.
FOUND = {"ecg": {"gap"}, "sound": {"mark", "gap"}, "volume": {"mark", "gap"}, "segmentation": {"gap"}}
FLAGGED = {"confirmed", "suspected"}

CHEAP = ("ecg",)
#: The others take the same way with other bytes: test_kinds_served and test_segmentation_served serve them
#: every time, and the rows of the table are made, packed and fed in tests/audit/demo.
DEAR = ("sound", "volume", "segmentation")


def ran(kind, out):
    """Type the command; MLflow finds its empty tables, which other tests let it make."""
    row = KINDS[kind]
    out.mkdir()
    (out / "foveal-demo").write_text("")
    folder = out / f"{row.prefix}standard-{row.quick.training}-0"
    ready_store(folder / "mlflow" / "mlflow.db")
    command = [
        Path(sys.executable).with_name("foveal"),
        "demo",
        "--kind",
        kind,
        "--quick",
        "--json",
        "--out",
        out,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout)


def check(kind, out):
    folder, told = ran(kind, out)
    row, bundle = KINDS[kind], folder / "bundle"
    findings = json.loads((bundle / "findings.json").read_text())
    assert told["report"] == str(bundle / "report.html")
    assert verify_manifest(bundle) == []
    sizes = {"training": row.quick.training, "production": row.quick.production}
    assert findings["library"]["samples"] == sizes
    assert told["headline"] == findings["summary"]["headline"]
    planted, *_, lacking, alarms = (line["found"] for line in told["comparison"])
    said_mark, said_gap = told["said"].split(". ")
    flagged = [one["feature"] for one in findings["assessments"] if one["verdict"] in FLAGGED]
    false = [] if alarms == "none" else alarms.split(", ")
    assert "rank" in planted  # what was planted was seen
    assert set(false) <= set(flagged)
    assert ("MISSED" in said_mark) == (len(flagged) == len(false))
    assert ("MISSED" in said_gap) == (lacking == "no gap finding")
    assert {what for what, line in (("mark", said_mark), ("gap", said_gap)) if "found" in line} >= FOUND[kind]
    covered_by_gap(folder, findings, row)


def covered_by_gap(folder, findings, row):
    """Hold the gap against the truth once more, from the files alone."""
    (requests,) = folder.glob("requests-*.json")
    sent = json.loads(requests.read_text())
    made = [row.planted(one) for one in row.make("standard", 0, row.quick.production, production=True)]
    unknown = {request for request, number in sent.items() if made[number].unknown}
    gaps = [set(one["samples"]) for one in findings["findings"] if "gap" in one]
    assert max(len(unknown & one) for one in gaps) >= 0.6 * len(unknown)
    with (folder / "bundle" / "coverage.csv").open() as stream:
        assert {one["sample"] for one in csv.DictReader(stream)} == set(sent)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", CHEAP)
def test_a_quick_demo_says_what_it_found(kind, tmp_path):
    check(kind, tmp_path / "demo")


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", DEAR)
def test_the_other_quick_demos_say_what_they_found(kind, tmp_path):
    check(kind, tmp_path / "demo")


def test_every_kind_is_run_here():
    assert {*CHEAP, *DEAR} == set(FOUND) == set(KINDS) - {"picture"}
