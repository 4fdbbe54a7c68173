"""`foveal demo` as it is typed; the demo itself runs in the system's tests."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import foveal_audit.demo.running
from foveal.cli import build_app
from foveal.errors import UsageError
from foveal_audit.demo.comparing import compare, said, table
from foveal_audit.demo.kinds import KINDS
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.plan import FULL_DEMO, QUICK_DEMO
from foveal_audit.demo.running import DemoResult, _folder, _Sent


@pytest.fixture
def asked(monkeypatch, make_result, tmp_path):
    """Give a made-up result instead of running a demo, and note what was asked for."""
    asked = []
    findings = make_result().findings
    paths = (tmp_path / "b", tmp_path / "m.mar", "sqlite:///x.db", tmp_path / "data/production/00000.png")
    result = DemoResult(findings, compare(findings, {}, PICTURE), *paths)

    def run(*words):
        asked.append(words)
        return result

    monkeypatch.setattr(foveal_audit.demo.running, "run_demo", run)
    asked.append(result)
    return asked


def test_json_holds_planted_and_found(asked, tmp_path):
    done = CliRunner().invoke(build_app(), ["demo", "--json", "--study", "null", "--seed", "2"])
    report = json.loads(done.stdout)
    result = asked[0]
    assert report["headline"] == result.findings.summary.headline
    assert [(row["planted"], row["found"]) for row in report["comparison"]] == table(
        result.comparison, "null", PICTURE.words
    )
    assert report["report"] == str(tmp_path / "b" / "report.html")
    assert [str(asked[1][0]), *asked[1][1:]] == ["foveal-demo", PICTURE, FULL_DEMO, "null", 2]


def test_people_are_told_where_to_look(asked, tmp_path):
    done = CliRunner().invoke(build_app(), ["demo", "--quick", "--out", str(tmp_path)])
    assert asked[1] == (tmp_path, PICTURE, QUICK_DEMO, "standard", 0)
    lines = done.stdout.splitlines()
    assert f"Report: {tmp_path / 'b' / 'report.html'}" in lines
    assert lines[-4:] == [
        f"  foveal verify {tmp_path / 'b'}",
        "  MLFLOW_TRACKING_URI=sqlite:///x.db foveal library show nodules",
        "  mlflow ui --backend-store-uri sqlite:///x.db",
        f"  foveal explain {tmp_path / 'm.mar'} {tmp_path / 'data/production/00000.png'} -o explained",
    ]


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "picture"])
def test_every_kind_is_asked_for_by_name(asked, kind):
    row = KINDS[kind]
    done = CliRunner().invoke(build_app(), ["demo", "--kind", kind, "--json"])
    assert asked[1][1:3] == (row, row.full)
    assert json.loads(done.stdout)["said"] == said(asked[0].comparison, "standard", row.words)
    printed = CliRunner().invoke(build_app(), ["demo", "--kind", kind, "--quick"])
    assert asked[2][2] == row.quick
    assert said(asked[0].comparison, "standard", row.words) in " ".join(printed.stdout.split())
    assert f"foveal library show {row.name}" in printed.stdout


def test_an_unknown_kind_is_told_the_nearest(asked):
    done = CliRunner().invoke(build_app(), ["demo", "--kind", "sounds"])
    assert done.exit_code == 2
    assert done.output == "foveal: error: There is no demo of kind 'sounds'. Did you mean 'sound'.\n"
    assert len(asked) == 1


def test_an_unknown_study(asked):
    done = CliRunner().invoke(build_app(), ["demo", "--study", "nul"])
    assert done.exit_code == 2
    assert len(asked) == 1


def test_a_folder_of_ones_own_is_not_used(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError) as caught:
        _folder(tmp_path, "", QUICK_DEMO, "null", 0)
    assert caught.value.fault == f"{tmp_path} holds something else"
    assert caught.value.mend == "Give an empty folder, or one that a demo made: --out DIR"
    with pytest.raises(UsageError):
        _folder(tmp_path / "thesis.tex", "", QUICK_DEMO, "null", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_every_study_has_a_folder_of_its_own_and_keeps_it(tmp_path):
    made = [
        _folder(tmp_path / "out", "", QUICK_DEMO, study, seed) for study, seed in (("null", 0), ("null", 1))
    ]
    (made[0] / "kept").write_text("")
    assert _folder(tmp_path / "out", "", QUICK_DEMO, "null", 0) == made[0]
    assert (made[0] / "kept").is_file()
    assert made[0] != made[1]


def test_what_was_sent_is_remembered_once_all_is_sent(tmp_path):
    sent = _Sent(tmp_path / "requests.json")
    assert not sent.complete(2)
    sent.keep({"r1": 0, "r2": 1})
    again = _Sent(tmp_path / "requests.json")
    assert again.complete(2)
    assert again.samples == {"r1": 0, "r2": 1}
