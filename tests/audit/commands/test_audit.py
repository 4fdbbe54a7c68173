"""`foveal audit` as it is typed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

import numpy as np
import pytest
from typer.testing import CliRunner

import foveal_audit.settings
from foveal.cli import build_app
from foveal.errors import EnvironmentFault
from foveal.library import Library
from foveal.samples import encode_png
from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.bundle.training import read_training
from foveal_audit.commands.verify import check
from foveal_audit.engine.workplace import workplace
from foveal_audit.properties.facet import FIRST_NUMBER
from foveal_audit.settings import AuditSettings


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What --quick means here."""
    settings = AuditSettings(pairs=16, nodes=0, generators=0)
    monkeypatch.setattr(foveal_audit.settings, "QUICK", settings)


@pytest.fixture
def run(planted_library, monkeypatch, tmp_path):
    """Run the command on the planted library, in a folder of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", planted_library.tracking_uri)
    monkeypatch.chdir(tmp_path)

    def run(*options, model="python:planted:model", out="bundle"):
        return CliRunner().invoke(
            build_app(), ["audit", model, "-o", out, "--quick", "--jobs", "1", "--no-pdf", *options]
        )

    return run


def test_findings_are_told_and_the_bundle_is_intact(run, tmp_path):
    done = run("--pdf")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "bundle" / "report.pdf").read_bytes().startswith(b"%PDF")
    lines = done.stdout.splitlines()
    read = json.loads((tmp_path / "bundle" / "findings.json").read_text())
    assert lines[0] == read["summary"]["headline"]
    (artefact,) = read["findings"]
    assert lines[1] == (
        f"  {artefact['id']}  {artefact['verdict']} artefact  {artefact['feature']}"
        f"  score {artefact['artefact_score']:.2f}"
    )
    assert [line for line in lines if line.startswith("  not examined: ")] == [
        f"  not examined: {line}" for line in read["not_examined"]
    ]
    assert lines[-2] == "report  bundle/report.html"
    assert lines[-1].startswith("MLflow  ")
    assert check(tmp_path / "bundle")["intact"]
    assert "judging facets" in done.stderr


def test_json_is_one_object_on_stdout(run, tmp_path):
    done = run("--json", "--seed", "3", "--library", "planted")
    report = json.loads(done.stdout)
    read = json.loads((tmp_path / "bundle" / "findings.json").read_text())
    assert read["seed"] == read["config"]["audit"]["seed"] == 3
    assert report["bundle"] == "bundle"
    assert report["summary"] == read["summary"]
    listed = [{key: value for key, value in one.items() if key != "entries"} for one in read["findings"]]
    assert report["findings"] == listed


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        ("confirmed", "never", 0),
        ("confirmed", "confirmed", 1),
        ("confirmed", "suspected", 1),
        ("suspected", "confirmed", 0),
        ("suspected", "suspected", 1),
        (None, "suspected", 0),
    ],
)
def test_exit_codes_follow_the_findings(run, monkeypatch, make_result, verdict, fail_on, code):
    import foveal_audit.publishing  # noqa: PLC0415
    from foveal_audit.bundle.schema import Findings  # noqa: PLC0415

    before = make_result().findings
    flagged = before.artefacts[0]
    assessments = [one for one in before.assessments if one.verdict not in ("confirmed", "suspected")]
    if verdict:
        plain = flagged.model_dump(exclude={"kind"}) | {"verdict": verdict}
        assessments.append(type(assessments[0]).model_validate(plain))
    kept = {name: getattr(before, name) for name in ("model", "library", "config", "environment", "seed")}
    findings = Findings.of(assessments, [], **kept)
    monkeypatch.setattr(
        foveal_audit.publishing,
        "publish",
        lambda _model, _library, _settings, out, **_how: foveal_audit.publishing.Published(
            findings, out, "run", "here"
        ),
    )
    assert run("--fail-on", fail_on).exit_code == code


def test_findings_of_a_real_audit_fail_the_command_and_leave_the_bundle(run, tmp_path):
    done = run("--fail-on", "suspected")
    assert done.exit_code == 1
    assert not (tmp_path / "bundle" / "report.pdf").exists()
    assert verify_manifest(tmp_path / "bundle") == []


def refused(done, code, message):
    assert done.exit_code == code
    assert done.stderr.splitlines()[-1] == f"foveal: error: {message}."
    assert done.stdout == ""


def test_an_unknown_library(run, planted_library, tmp_path):
    refused(
        run("--library", "plantet"),
        2,
        f"There is no library 'plantet' in MLflow at {planted_library.tracking_uri}. "
        "Fill it first: foveal collect python:planted:model DATA --source training --library plantet",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_library_without_this_model(run, tmp_path, monkeypatch):
    (tmp_path / "otherwise.py").write_text(
        "from dataclasses import replace\n"
        "import planted\n"
        "def model():\n"
        "    return replace(planted.model(), sha256='e' * 64)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    refused(
        run(model="python:otherwise:model"),
        2,
        "Library 'planted' holds nothing about model eeeeeeeeeeee (it knows ffffffffffff). "
        "Collect samples with the model to audit: foveal collect MODEL DATA --source training",
    )
    assert not (tmp_path / "bundle").exists()


def test_a_folder_with_something_else(run, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine.txt").write_text("kept")
    refused(
        run(),
        2,
        "bundle is not empty and is not a bundle. Give an empty folder, or one that does not exist yet",
    )
    assert (tmp_path / "bundle" / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--fail-on", "sometimes"), "'sometimes' is not one of"),
        (("--seed", "-1"), "Invalid value for '--seed'"),
        (("--quik",), "No such option: --quik"),
    ],
)
def test_wrong_options(run, tmp_path, options, part):
    done = run(*options)
    assert done.exit_code == 2
    assert part in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_there(run):
    done = run(model="nowhere.mar")
    assert done.exit_code == 2
    assert "nowhere.mar" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("place", "fault", "code", "left"),
    [
        ("foveal_audit.bundle.writing._write_generators", KeyboardInterrupt(), 4, set()),
        ("foveal_audit.bundle.writing.write_manifest", OSError("No space left on device"), 3, set()),
        ("foveal_audit.publishing.log_bundle", EnvironmentFault("MLflow is gone", "Start it"), 3, {"bundle"}),
    ],
)
def test_a_failure_leaves_a_whole_bundle_or_none(run, tmp_path, monkeypatch, place, fault, code, left):
    def fail(*_args):
        raise fault

    monkeypatch.setattr(place, fail)
    assert run().exit_code == code
    assert {path.name for path in tmp_path.iterdir()} == {"bundle.work"} | left
    if left:
        monkeypatch.undo()
        assert check(tmp_path / "bundle")["intact"]


def test_an_interrupted_audit_goes_on_where_it_was(run, tmp_path, monkeypatch):
    from foveal_audit.engine.stages import STAGES  # noqa: PLC0415

    whole = run(out="whole")
    assert not (tmp_path / "whole.work").exists()
    judge, judged = STAGES["judging"], []

    def interrupted(work, desk, folder):
        if len(judged) == 2:
            raise KeyboardInterrupt
        judge(work, desk, folder)
        judged.append(work.name)

    monkeypatch.setitem(STAGES, "judging", interrupted)
    done = run()
    words = (
        f"what is done is kept in {tmp_path / 'bundle.work'}: "
        "the same command with --resume goes on from there"
    )
    assert done.exit_code == 4
    assert done.stderr.splitlines()[-1] == f"foveal: interrupted; {words}"
    before = list(judged)
    monkeypatch.setitem(STAGES, "judging", lambda work, *rest: (judged.append(work.name), judge(work, *rest)))
    again = run("--resume")
    assert again.exit_code == 0
    assert len(set(judged)) == len(judged) > len(before) == 2
    assert not (tmp_path / "bundle.work").exists()
    read = [json.loads((tmp_path / name / "findings.json").read_text()) for name in ("whole", "bundle")]
    for one in read:
        one.pop("created")
    assert read[0] == read[1]
    assert again.stdout.splitlines()[:-2] == whole.stdout.splitlines()[:-2]


def test_without_resume_an_audit_begins_anew(run, tmp_path, monkeypatch):
    monkeypatch.setattr("foveal_audit.publishing.log_bundle", lambda *_: 1 / 0)
    assert isinstance(run().exception, ZeroDivisionError)
    left = tmp_path / "bundle.work" / "judging"
    (left / "kept").mkdir()
    assert isinstance(run("--resume").exception, ZeroDivisionError)
    assert (left / "kept").exists()
    assert isinstance(run().exception, ZeroDivisionError)
    assert left.exists()
    assert not (left / "kept").exists()


def test_nothing_to_resume_is_said(run):
    done = run("--resume")
    assert done.exit_code == 0
    assert (
        "foveal: nothing is kept of an earlier audit for bundle: beginning anew" in done.stderr.splitlines()
    )


def test_a_folder_of_somebody_else_is_no_place_for_work(run, tmp_path):
    (tmp_path / "bundle.work").mkdir()
    (tmp_path / "bundle.work" / "thesis.tex").write_text("mine")
    refused(
        run(),
        2,
        f"{tmp_path / 'bundle.work'} is where the work would be kept, and it holds something else. "
        "Move it away, or choose another folder for the bundle",
    )
    assert (tmp_path / "bundle.work" / "thesis.tex").read_text() == "mine"


def test_two_audits_of_one_bundle_at_once_are_refused(run, tmp_path):
    with workplace(tmp_path / "bundle", resume=False):
        refused(
            run(),
            2,
            f"Another audit is at work in {tmp_path / 'bundle.work'}. "
            "Wait for it, or choose another folder for the bundle",
        )


def test_an_executor_that_is_not_installed(run, tmp_path, monkeypatch):
    monkeypatch.setattr("foveal_audit.engine.executors.find_spec", lambda _: None)
    refused(
        run("--executor", "ray"),
        3,
        "The executor 'ray' needs the package ray, which is not installed. Install it: "
        "pip install 'foveal[ray]'. Or leave --executor out to work on this machine",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_plan_measures_and_does_nothing(run, tmp_path):
    done = run("--plan")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line[:22].strip() for line in lines[:-1]] == [
        "reading the library",
        "finding units",
        "judging facets",
        "looking for properties",
        "looking for gaps",
        "learning appearances",
    ]
    assert lines[-1].startswith("in all ")
    assert lines[-1].endswith(" MB of disk")
    assert list(tmp_path.iterdir()) == []
    told = json.loads(run("--plan", "--json").stdout)
    assert told["jobs"] == 1
    assert told["seconds"] == pytest.approx(told["wait"])
    assert told["seconds"] == pytest.approx(sum(row["seconds"] for row in told["stages"]))
    stages = {row["stage"]: row for row in told["stages"]}
    assert [row["pieces"] > 0 for row in stages.values()] == [True, True, True, True, True, False]
    properties = stages["looking for properties"]
    looked, of, trained, what = properties["measured"].split()
    assert (of, what) == ("of", "pictures")
    assert 0 < int(looked) <= int(trained)
    assert properties["seconds"] > 0


def test_features_can_be_chosen(run, tmp_path):
    done = run("--features", "fc1:1,contribution", "--features", "fc1:1")
    assert done.exit_code == 0, done.output
    read = json.loads((tmp_path / "bundle" / "findings.json").read_text())
    assert read["config"]["audit"]["features"] == ["fc1:1", "contribution"]
    windows = [one["feature"] for one in read["assessments"] if one["facet"] < FIRST_NUMBER]
    assert {name for name in windows if not name.startswith("contribution:")} == {"fc1:1"}
    assert "2 nodes that were not asked for (fc1:0, fc1:2)" in read["not_examined"]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("fc1:x", "Feature 'fc1:x' is not a name. Write LAYER:INDEX, LAYER, class:K or class:*"),
        ("fc1:9", "Feature 'fc1:9' is out of range: layer 'fc1' has 3 nodes. Give an index from 0 to 2"),
        (
            "fc2",
            (
                "Feature 'fc2' cannot be audited: the library holds nothing of 'fc2', only of contribution, "
                "fc1. Name one of these, or collect again with 'fc2' among the features of the model's "
                "configuration"
            ),
        ),
    ],
)
def test_features_that_there_are_not(run, tmp_path, features, message):
    refused(run("--features", features), 2, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "concepts is no folder. Name a folder with one folder per concept"),
        (
            lambda path: path.write_text("x"),
            "concepts is no folder. Name a folder with one folder per concept",
        ),
        (
            lambda path: path.mkdir(),
            (
                "concepts holds no folders. "
                "Put the exemplars of each concept into a folder of its name: concepts/NAME/*.png"
            ),
        ),
    ],
)
def test_what_holds_no_concepts_is_told_before_anything_is_done(run, tmp_path, make, message):
    make(tmp_path / "concepts")
    refused(run("--concepts", "concepts"), 2, message)
    assert not (tmp_path / "bundle").exists()


def test_concepts_that_nothing_shows_are_not_examined(run, tmp_path):
    white = np.full((12, 12, 1), 255, np.uint8)
    (tmp_path / "concepts" / "white").mkdir(parents=True)
    for n in range(5):
        (tmp_path / "concepts" / "white" / f"{n}.png").write_bytes(encode_png(white - np.uint8(n)))
    assert run("--concepts", "concepts").exit_code == 0
    read = json.loads((tmp_path / "bundle" / "findings.json").read_text())
    assert (
        "Concept 'white': neither training nor production shows it, or its exemplars are cut otherwise than "
        "the model's windows are"
    ) in read["not_examined"]


def test_a_plan_of_an_unknown_library(run, planted_library):
    refused(
        run("--plan", "--library", "plantet"),
        2,
        f"There is no library 'plantet' in MLflow at {planted_library.tracking_uri}. "
        "Fill it first: foveal collect python:planted:model DATA --source training --library plantet",
    )


def test_a_second_audit_follows_the_first(run, tmp_path):
    first = run("--json", out="first")
    told = json.loads(first.stdout)
    assert (told["changed"], told["since"]) == (None, None)
    second = run("--previous", "first", out="second")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert verify_manifest(tmp_path / "second", tmp_path / "first") == []
    read = [json.loads((tmp_path / name / "findings.json").read_text()) for name in ("first", "second")]
    since = [one.pop("since") for one in read]
    assert since[0] is None
    assert (since[1]["changes"], since[1]["unchanged"]) == ([], len(read[0]["assessments"]))
    when = datetime.fromisoformat(read[0]["created"])
    line = f"Since the audit of {when:%Y-%m-%d %H:%M} UTC: {since[1]['unchanged']} unchanged."
    assert second.stdout.splitlines()[1] == line
    counts = {one["id"]: one["n_entries"].get("training", 0) for one in read[0]["assessments"]}
    listed = Counter(row.facet for row in read_training(tmp_path / "first"))
    assert listed == {id_: count for id_, count in counts.items() if count}
    for one in read:
        one.pop("created")
    assert read[0] == read[1]


def test_start_up_stays_light():
    """Asking for help imports nothing heavy."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    heavy = "{'torch', 'mlflow', 'sklearn', 'pydantic', 'pyarrow', 'scipy'} & set(sys.modules)"
    code = f"import sys, foveal_audit.commands; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_library_is_named_after_the_model(run, planted_library):
    assert run().exit_code == 0
    assert Library("planted", planted_library.tracking_uri).features()


def test_a_registry_that_cannot_be_told_is_a_warning(run, monkeypatch):
    said = "models:/x/1 was not tagged: away"
    monkeypatch.setattr("foveal_audit.publishing.record_verdict", lambda *_: said)
    done = run("--json")
    assert done.exit_code == 0
    assert f"foveal: warning: {said}" in done.stderr.splitlines()
    assert json.loads(done.stdout)["bundle"] == "bundle"
