"""The library's page as people see it: MLflow's own, in a browser."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import urllib.request
from urllib.parse import urlencode

import numpy as np
import planted
import pytest
from mlflow import MlflowClient
from ready_stores import ready_server

from foveal.collecting import collect
from foveal.library import Library
from foveal.library.page import GALLERY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def server(folder):
    with ready_server(folder / "server") as server:
        yield server


@pytest.fixture(scope="module")
def library(folder, server):
    """A library that was collected into a run whose artifacts only the server can reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        MlflowClient(server.uri).create_experiment("foveal/page", "mlflow-artifacts:/page")
        library = Library("page", server.uri)
        collect(planted.model(), planted.write_images(folder, "training", 40, 0), "training", library)
        yield library


@pytest.fixture(scope="module")
def browser(folder):
    """Give what Chromium makes of a page: CHROMIUM, or the one that is installed."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("Set CHROMIUM to a Chromium or Chrome")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    waiting = ["--virtual-time-budget=20000", "--dump-dom"]

    def show(address):
        command = [chromium, *flags, *waiting, address]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    return show


def pictures(note):
    return re.findall(r"!\[[^\]]*\]\(([^)]*)\)", note)


def test_the_server_shows_the_gallery_where_the_note_says(server, library):
    note = MlflowClient(server.uri).get_run(library.run_id).data.tags["mlflow.note.content"]
    (address,) = pictures(note)
    with urllib.request.urlopen(f"{server.uri}/{address}") as answer:
        assert answer.read() == library.tracking.read(GALLERY)


def test_a_browser_shows_the_gallery(folder, server, library, browser):
    page = browser(library.url)
    shown = [html.unescape(source) for source in re.findall(r'<img[^>]*src="(get-artifact[^"]*)"', page)]
    note = MlflowClient(server.uri).get_run(library.run_id).data.tags["mlflow.note.content"]
    assert shown == pictures(note)
    assert "<strong>page</strong>: 40 training samples" in page
    # The browser asked for the picture and got it.
    assert re.search(r"GET /get-artifact\?path=gallery.*200", (folder / "server" / "mlflow.log").read_text())


@pytest.mark.full
def test_pictures_inside_the_note_are_dropped_by_mlflow(folder, server, library, browser):
    """Why the gallery is an artifact; should this ever fail, the note could hold its pictures itself."""
    client = MlflowClient(server.uri)
    run = client.create_run(library.experiment_id)
    inside = f"![inside](data:image/png;base64,{'A' * 40})"
    query = urlencode({"path": GALLERY, "run_uuid": library.run_id})
    client.set_tag(run.info.run_id, "mlflow.note.content", f"{inside}\n\n![beside](get-artifact?{query})")
    page = browser(library.url.replace(library.run_id, run.info.run_id))
    assert 'src="get-artifact' in page
    assert "A" * 40 not in page


@pytest.mark.full
def test_drawing_the_gallery_is_cheap(server, folder, monkeypatch, record_property):
    """Twenty thousand entries, the most that are looked at, over HTTP."""
    import time  # noqa: PLC0415

    from foveal.records import Entry, Observation, SampleRecord  # noqa: PLC0415
    from foveal.samples import encode_png  # noqa: PLC0415

    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(folder / "cheap"))
    MlflowClient(server.uri).create_experiment("foveal/cheap", "mlflow-artifacts:/cheap")
    rng = np.random.default_rng(0)
    library = Library("cheap", server.uri)
    shared = {"row": 0, "source": "production", "time": "t", "predicted": 0}
    models = {"model_sha256": "m" * 64, "config_sha256": "c" * 64}
    for shard in range(4):
        observations = []
        for n in range(1000):
            name, png = f"{shard}-{n}", encode_png(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
            sample = SampleRecord(
                name, **shared, **models, scores=(0.0,), activations={}, sample_sha256=name, shape=(64, 64, 3)
            )
            entries = tuple(
                Entry(
                    id=f"{name}-{k}",
                    feature=f"fc1:{k}",
                    sample=name,
                    **shared,
                    **models,
                    window=(0, 0, 32, 32),
                    activation=float(rng.random()),
                    share=0.1,
                    crop=png,
                    map=np.zeros((2, 2), np.float32),
                    vector=np.zeros(8, np.float32),
                    method="gradcam",
                    layer="layer4",
                    threshold=0.0,
                )
                for k in range(5)
            )
            observations.append(Observation(sample, entries))
        library.add(observations, f"shard{shard}")
    again = Library("cheap", server.uri)
    start = time.perf_counter()
    again.publish_note()
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    again.publish_note(patience=0)
    record_property("seconds", (seconds, time.perf_counter() - start))
    assert seconds < 20
