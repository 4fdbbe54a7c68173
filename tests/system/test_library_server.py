"""A library behind a real MLflow server: through HTTP, through its absence, and through the cache."""

from __future__ import annotations

import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from ready_stores import ready_server

from foveal import shipper as shipping
from foveal.errors import EnvironmentFault
from foveal.library import Added, Library, library_names
from foveal.records import Entry, Observation, SampleRecord
from foveal.servers.ports import free_port
from foveal.shipper import ship
from foveal.spool import Spool


def observation(name):
    shared = {
        "sample": name,
        "row": 0,
        "source": "production",
        "time": "2026-03-01T12:00:00Z",
        "predicted": 1,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
    }
    sample = SampleRecord(
        **shared, scores=(0.5, 1.5), activations={"fc1": (1.0, 2.0)}, sample_sha256="s", shape=(8, 8, 3)
    )
    entry = Entry(
        **shared,
        id=f"id of {name}",
        feature="contribution",
        window=(0, 0, 4, 4),
        activation=1.0,
        share=0.5,
        crop=b"crop of " + name.encode(),
        map=np.ones((2, 2), np.float32),
        vector=np.ones(3, np.float32),
        method="hirescam",
        layer="layer4",
        threshold=0.0,
    )
    return Observation(sample, (entry,))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ready_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(params=["direct", "proxied"])
def named(request, server):
    """A library's name; its files lie on this machine, or only the server can reach them."""
    name = f"{request.param} {request.node.originalname}"
    if request.param == "proxied":
        MlflowClient(server.uri).create_experiment(f"foveal/{name}", f"mlflow-artifacts:/{request.node.name}")
    return name


def test_a_library_lives_behind_a_server(server, named):
    library = Library(named, server.uri)
    assert not library.exists()
    assert library.add([observation(name) for name in "ba"], "one") == Added(2, 2)
    assert library.add([observation("c")], "two") == Added(1, 1)
    again = Library(named, server.uri)
    assert again.add([observation("c")], "two") == Added(0, 0)
    assert again.samples()["sample"].to_pylist() == ["a", "b", "c"]
    assert [entry.crop for entry in again["contribution"].entries()] == [
        b"crop of a",
        b"crop of b",
        b"crop of c",
    ]
    again.assign({"id of a": "contribution:0"}, "audit1")
    assert library.features() == {"contribution": 2, "contribution:0": 1}
    library.report_losses("writer", {"quota": 2})
    library.publish_note()
    assert again.losses() == {"quota": 2}
    assert named in library_names(server.uri)
    assert library.url == f"{server.uri}/#/experiments/{library.experiment_id}/runs/{library.run_id}"
    with urllib.request.urlopen(library.url) as page:
        assert page.status == 200


@pytest.mark.parametrize("named", ["proxied"], indirect=True)
def test_fetched_shards_are_kept(server, cache, named):
    library = Library(named, server.uri)
    library.add([observation("a")], "one")
    expected = library.entries().to_pylist()
    kept = sorted(cache.rglob("*.parquet"))
    assert len(kept) == 2
    assert {file.stem for file in kept} == set(library.shards()[0]["files"].values())
    stamps = [file.stat().st_mtime_ns for file in kept]
    assert Library(named, server.uri).entries().to_pylist() == expected
    assert [file.stat().st_mtime_ns for file in kept] == stamps
    assert kept[0].parent.stat().st_mode & 0o077 == 0


def test_an_artifact_changed_on_the_server_is_not_read(server, named):
    library = Library(named, server.uri)
    library.add([observation("a")], "one")
    (stored,) = Path(server._folder).rglob(f"{library.run_id}/artifacts/entries/one.parquet")
    stored.write_bytes(stored.read_bytes() + b"!")
    with pytest.raises(EnvironmentFault, match=r"^entries/one\.parquet of library .* was changed"):
        library.entries()


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(shipping, "_LONGEST_PAUSE_SECONDS", 1.0)
    port, folder = free_port(), tmp_path / "spool" / "nodules"
    library = Library("away", f"http://127.0.0.1:{port}")
    stop, shipped = threading.Event(), []
    with Spool(folder) as spool:
        spool.append(observation("while it was away"))
    with pytest.raises(EnvironmentFault, match="does not answer"):
        library.samples()
    follower = threading.Thread(target=lambda: shipped.append(ship(folder, library, True, stop)))
    follower.start()
    for name in ("once it was there", "once it was back"):
        with ready_server(tmp_path / "server", port), Spool(folder) as spool:
            spool.append(observation(name))
            spool.close()
            deadline = time.monotonic() + 120
            while list(folder.glob("*.seg")) and time.monotonic() < deadline:
                time.sleep(0.1)
    stop.set()
    follower.join()
    assert shipped[0].samples == 3
    with ready_server(tmp_path / "server", port):
        found = Library("away", f"http://127.0.0.1:{port}").samples()["sample"].to_pylist()
    assert found == ["once it was back", "once it was there", "while it was away"]
