"""`foveal doctor` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from foveal.cli import build_app


@pytest.fixture
def run(monkeypatch):
    for name in ("TS_CONFIG_FILE", "MLFLOW_TRACKING_URI", "FOVEAL_SPOOL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lambda *options: CliRunner().invoke(build_app(), ["doctor", *map(str, options)])


@pytest.fixture
def unsafe(tmp_path):
    path = tmp_path / "config.properties"
    path.write_text("enable_model_api=true\nallowed_urls=file:///models/.*\nmetrics_mode=prometheus\n")
    return path


def test_a_machine_that_is_well(run):
    done = run()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok    python                Python 3.")
    assert "      paste: foveal doctor --config config.properties" in lines
    assert lines[-1].endswith("skipped.")


def test_what_fails_is_said_with_its_reason_and_what_to_paste(run, unsafe):
    done = run("--config", unsafe)
    assert done.exit_code == 3
    lines = done.stdout.splitlines()
    at = lines.index(f"FAIL  model-api             enable_model_api=true in {unsafe}")
    assert lines[at + 1 : at + 3] == [
        "      why:   Models, and with them code, can be added over the network",
        "      paste: enable_model_api=false",
    ]
    assert "1 failures" in lines[-1]
    assert run("--config", unsafe, "--allow-unsafe", "model-api").exit_code == 0


def test_json(run, unsafe):
    done = run("--config", unsafe, "--json")
    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert {tuple(row) for row in report["checks"]} == {("check", "status", "what", "why", "paste")}
    (row,) = [row for row in report["checks"] if row["status"] == "failure"]
    assert row == {
        "check": "model-api",
        "status": "failure",
        "what": f"enable_model_api=true in {unsafe}",
        "why": "Models, and with them code, can be added over the network",
        "paste": "enable_model_api=false",
    }
    assert json.loads(run("--json").stdout)["ok"] is True


def test_the_environment_names_what_no_option_names(run, unsafe, monkeypatch, tmp_path):
    monkeypatch.setenv("TS_CONFIG_FILE", str(unsafe))
    monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    report = json.loads(run("--json").stdout)
    failed = [row["check"] for row in report["checks"] if row["status"] == "failure"]
    assert failed == ["model-api", "mlflow", "spool-folder"]


def test_a_file_that_is_missing_and_a_name_that_is_unknown(run, tmp_path):
    done = run("--config", tmp_path / "none")
    assert done.exit_code == 2
    assert f"The configuration {tmp_path / 'none'} cannot be read (No such file or directory)." in done.stderr
    done = run("--allow-unsafe", "everything")
    assert done.exit_code == 2
    assert "There is no unsafe setting 'everything' to allow." in done.stderr


def test_it_is_quick_to_start():
    """It must answer where the rest is broken: nothing heavy is imported."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import foveal.doctor, foveal.commands.doctor; "
        "print({'torch', 'mlflow', 'pyarrow', 'ts'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "set()"
