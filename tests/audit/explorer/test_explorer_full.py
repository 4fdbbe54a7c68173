"""The explorer as a command, beside a real MLflow server; its speed: tests/benchmarks/explorer_latency.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

from foveal.library import Library
from foveal.library.annotations import Annotations
from foveal.servers.mlflow import MlflowServer
from foveal_audit.explorer.serving import EXPLORER_TAG

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def command(exhibit, tmp_path, monkeypatch):
    """Run `foveal explore` beside an MLflow server that keeps the artifacts to itself."""
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    with MlflowServer(tmp_path / "server") as server:
        MlflowClient(server.uri).create_experiment("foveal/round", "mlflow-artifacts:/round")
        name, bundle, _ = exhibit(server.uri, "round")
        environment = os.environ | {"MLFLOW_TRACKING_URI": server.uri}
        words = [
            sys.executable,
            "-c",
            "from foveal.cli import main; main()",
            "explore",
            str(bundle),
            "--json",
        ]
        running = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            yield json.loads(running.stdout.readline())["address"], Library(name, server.uri), running
        finally:
            running.kill()
            running.wait()


def test_an_annotation_goes_into_a_real_mlflow_server_and_comes_back(command, browser):
    address, library, running = command
    assert library.tracking.local("annotations") is None
    base = address.partition("/?")[0]
    assert library.tracking.tags()[EXPLORER_TAG] == base
    page = browser.new_context().new_page()
    faults = []
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.goto(address)
    page.fill("#reader", "Ann")
    page.press("#reader", "Tab")
    links = [link.get_attribute("href") for link in page.locator("footer a").all()]
    assert library.url in links
    page.goto(f"{base}/triage")
    page.wait_for_selector("#panel[data-shown]")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        page.keyboard.press("2")
    running.send_signal(signal.SIGKILL)  # acknowledged is kept
    (event,) = Annotations(library.tracking).events()
    assert event.id == answer.value.json()["event"]
    assert (event.who, event.verdict) == ("Ann", "artefact")
    assert Annotations(library.tracking).verify() == []
    assert faults == []
