"""`foveal ship` as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.library import Library
from foveal.servers import free_port
from foveal.servers.http import ask
from foveal.spool import Spool

_NUMBERS = count()


@pytest.fixture
def name():
    return f"served {next(_NUMBERS)}"


@pytest.fixture
def run(monkeypatch, tracking_uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    return lambda *options: CliRunner().invoke(build_app(), ["ship", *map(str, options)])


def spool_some(folder, observe, names):
    with Spool(folder) as spool:
        for sample in names:
            spool.append(observe(sample))


def test_the_library_is_named_after_the_spools_folder(run, tmp_path, observe, name):
    spool_some(tmp_path / name, observe, "ab")
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    library = Library(name)
    assert done.stdout.splitlines() == [
        "1 segments shipped: 2 samples with 4 entries.",
        f"See: foveal library show {name}, or {library.url}",
    ]
    assert f"shipping {name} 1/1" in done.stderr
    assert len(library.samples()) == 2


def test_json_and_a_library_of_ones_choice(run, tmp_path, observe, name):
    spool_some(tmp_path / "x", observe, "ab")
    with Spool(tmp_path / "x", max_bytes=1) as spool:
        spool.append(observe("c"))
    report = json.loads(run(tmp_path / "x", "--library", name, "--json").stdout)
    library = Library(name)
    assert report.pop("libraries") == {"x": {"library": name, "run_id": library.run_id, "url": library.url}}
    assert report == {
        "segments": 1,
        "samples": 2,
        "entries": 4,
        "torn": 0,
        "quarantined": 0,
        "errors": 0,
        "still_open": 0,
        "dropped": {"quota": 1},
        "alarms": {},
    }
    assert "1 samples were dropped by the workers so far: quota." in run(tmp_path / "x").stdout


def test_a_missing_spool_ends_with_a_usage_error(run, tmp_path):
    done = run(tmp_path / "none")
    assert done.exit_code == 2
    assert f"Spool '{tmp_path / 'none'}' is no folder" in done.stderr


def test_a_server_that_is_down_ends_with_an_environment_fault(run, tmp_path, observe, name, monkeypatch):
    spool_some(tmp_path / name, observe, "a")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = run(tmp_path)
    assert done.exit_code == 3
    assert "MLflow at http://127.0.0.1:9 does not answer." in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_in_order_when_it_is_told_to(tmp_path, observe, name, tracking_uri, number):
    spool_some(tmp_path / name, observe, "ab")
    program = f"import sys; sys.path[:0] = {sys.path!r}; from foveal.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "ship", tmp_path, "--follow", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri},
    )
    deadline = time.monotonic() + 120
    while list((tmp_path / name).glob("*.seg")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["samples"] == 2
    assert len(Library(name, tracking_uri).samples()) == 2


@pytest.mark.parametrize("option", ["--metrics-port", "--retain-days"])
def test_some_options_are_for_a_shipper_that_goes_on(run, tmp_path, option):
    done = run(tmp_path, option, 0)
    assert done.exit_code == 2
    assert f"{option} is for a shipper that goes on. Add --follow." in done.stderr


@pytest.mark.slow
def test_a_shipper_that_follows_erases_what_has_grown_old(tmp_path, observe, name, tracking_uri):
    now = datetime.now(timezone.utc)
    with Spool(tmp_path / name) as spool:
        spool.append(observe("old", time=f"{now - timedelta(days=31):%Y-%m-%dT%H:%M:%SZ}"))
        spool.append(observe("new", time=f"{now - timedelta(days=29):%Y-%m-%dT%H:%M:%SZ}"))
    program = f"import sys; sys.path[:0] = {sys.path!r}; from foveal.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "ship", tmp_path, "--follow", "--retain-days", "30"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri},
    )
    try:
        told = next(line for line in process.stderr if line.startswith("Retention"))
        assert told == f"Retention of 30 days: {name}: 1 samples erased\n"
        assert Library(name, tracking_uri).samples()["sample"].to_pylist() == ["new"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_shipper_that_follows_can_be_scraped(tmp_path, observe, name):
    """MLflow is away: what waits, fails and was dropped is seen from outside."""
    spool_some(tmp_path / name, observe, "ab")
    with Spool(tmp_path / name, max_bytes=1) as spool:
        spool.append(observe("c"))
    port = free_port()
    program = f"import sys; sys.path[:0] = {sys.path!r}; from foveal.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "ship", tmp_path, "--follow", "--metrics-port", str(port)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
    )
    try:
        assert process.stderr.readline() == f"Metrics: http://127.0.0.1:{port}/metrics\n"
        labels = f'model="{name}"'
        wanted = {
            "foveal_ship_errors_total 1.0",
            f'foveal_dropped_total{{{labels},reason="quota"}} 1.0',
            "foveal_shipped_samples_total 0.0",
        }
        deadline = time.monotonic() + 60
        seen = set()
        while not wanted <= seen and time.monotonic() < deadline:
            seen = set(ask(f"http://127.0.0.1:{port}/metrics").body.decode().splitlines())
            time.sleep(0.2)
        assert wanted <= seen
        assert any(line.startswith(f"foveal_spool_bytes{{{labels}}}") for line in seen)
    finally:
        process.kill()
        process.communicate()
