"""The MLflow side: one experiment and one run, errors in our words, nothing changed around it."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy.exc
from mlflow import MlflowClient

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal.library.connection import mask_credentials


def client(uri):
    return MlflowClient(uri)


def test_a_library_is_one_experiment_with_one_finished_run(library, tracking_uri, again, observe):
    library.add([observe("a")], "one")
    again(library).add([observe("b")], "two")
    experiment = client(tracking_uri).get_experiment_by_name(f"foveal/{library.name}")
    (run,) = client(tracking_uri).search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.experiment_id) == (library.run_id, library.experiment_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["foveal.role"] == "library"


def test_the_run_shows_the_library_as_a_data_set_and_its_models(library, tracking_uri, again, observe):
    for number, model in enumerate("mnm"):
        again(library).add([observe(str(number), model_sha256=model * 64)], f"shard-{number}")
    run = client(tracking_uri).get_run(library.run_id)
    assert json.loads(run.data.tags["foveal.model_sha256"]) == ["m" * 64, "n" * 64]
    shown = [given.dataset for given in run.inputs.dataset_inputs]
    assert {dataset.name for dataset in shown} == {library.name}
    assert len({dataset.digest for dataset in shown}) == 2
    assert all(len(dataset.digest) <= 36 for dataset in shown)
    assert {dataset.source for dataset in shown} == {json.dumps({"library": library.name})}


def test_reading_never_makes_a_library(library, tracking_uri):
    with pytest.raises(UsageError, match="No library"):
        library.samples()
    assert client(tracking_uri).get_experiment_by_name(f"foveal/{library.name}") is None


def test_a_misspelt_library_is_refused_with_the_nearest(tracking_uri, observe):
    Library("thorax xrays", tracking_uri).add([observe("a")], "one")
    with pytest.raises(UsageError) as caught:
        Library("thorax xray", tracking_uri).features()
    assert str(caught.value).startswith(
        f"No library 'thorax xray' at {tracking_uri}. Did you mean 'thorax xrays'"
    )


def test_a_deleted_library_says_how_to_bring_it_back(library, tracking_uri, again, observe):
    library.add([observe("a")], "one")
    client(tracking_uri).delete_experiment(library.experiment_id)
    with pytest.raises(UsageError) as caught:
        again(library).add([observe("b")], "two")
    assert str(caught.value) == (
        f"Library '{library.name}' was deleted at {tracking_uri}. "
        f"Run `mlflow experiments restore -x {library.experiment_id}`, or choose another name."
    )


def test_an_experiment_whose_maker_died_gets_its_run_from_the_next(library, tracking_uri, observe):
    client(tracking_uri).create_experiment(f"foveal/{library.name}")
    library.add([observe("a")], "one")
    assert len(library.samples()) == 1


def test_writers_at_the_same_moment_meet_in_one_run(library, tracking_uri, again, observe):
    writers = [again(library) for _ in range(4)]
    start = threading.Barrier(4)

    def write(n):
        start.wait()
        writers[n].add([observe(str(n))], f"shard{n}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {writer.run_id for writer in writers} == {library.run_id}
    assert library.samples()["sample"].to_pylist() == ["0", "1", "2", "3"]


def test_a_data_set_that_two_show_at_once_is_shown_once(library, tracking_uri, again, observe, monkeypatch):
    """MLflow looks and then inserts: whoever comes between is refused."""
    library.add([observe("a")], "one")
    log_inputs, other = MlflowClient.log_inputs, again(library)

    def crossed(self, *args, **kwargs):
        monkeypatch.setattr(MlflowClient, "log_inputs", log_inputs)
        again(library).add([observe("b", model_sha256="n" * 64)], "two")
        raise sqlalchemy.exc.IntegrityError("INSERT INTO datasets", {}, Exception("UNIQUE constraint failed"))

    monkeypatch.setattr(MlflowClient, "log_inputs", crossed)
    other.add([observe("c", model_sha256="n" * 64)], "three")
    run = client(tracking_uri).get_run(library.run_id)
    assert len(run.inputs.dataset_inputs) == 2
    assert json.loads(run.data.tags["foveal.model_sha256"]) == ["m" * 64, "n" * 64]


def test_the_default_store_is_mlflows_own(tmp_path, monkeypatch, observe):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Library("nodules").add([observe("a")], "one")
    assert (tmp_path / "mlflow.db").is_file()
    assert len(Library("nodules", f"sqlite:///{tmp_path / 'mlflow.db'}").samples()) == 1


def test_the_environment_names_the_store(library, tracking_uri, monkeypatch, observe):
    library.add([observe("a")], "one")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    assert Library(library.name).tracking_uri == tracking_uri


@pytest.fixture
def deaf_port():
    """A port that nobody listens on, kept from others."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_server_that_is_down_is_named_with_its_credentials_masked(deaf_port, observe):
    uri = f"http://anna:s3cret@127.0.0.1:{deaf_port}"
    library = Library("nodules", uri)
    with pytest.raises(EnvironmentFault) as caught:
        library.add([observe("a")], "one")
    assert str(caught.value) == (
        f"MLflow at http://***@127.0.0.1:{deaf_port} does not answer. "
        "Start it, or set MLFLOW_TRACKING_URI to one that runs."
    )
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None
    assert repr(library) == f"Library('nodules': MLflow at http://***@127.0.0.1:{deaf_port} does not answer)"


def test_a_server_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(EnvironmentFault, match="does not answer"):
            Library("nodules", uri).samples()


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, "MLflow at {} refuses access. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, "MLflow at {} refuses access"),
        (418, "MLflow at {} failed: API request to endpoint"),
        (500, "MLflow at {} failed: API request to"),
    ],
)
def test_a_server_that_refuses_or_fails_is_reported_as_such(status, fault):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name is the protocol's

        def log_message(self, *args):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        uri = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(EnvironmentFault) as caught:
            Library("nodules", uri).samples()
        server.shutdown()
        thread.join()
    assert str(caught.value).startswith(fault.format(uri))


def test_stores_that_mlflow_cannot_use_are_reported(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(EnvironmentFault, match=r"^MLflow refuses the file store at file://"):
        Library("nodules", tmp_path.as_uri()).samples()
    with pytest.raises(EnvironmentFault, match=r"^MLflow cannot work with carrier-pigeon://x: "):
        Library("nodules", "carrier-pigeon://x").samples()


def test_a_database_whose_making_was_cut_off_is_reported(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    with pytest.raises(EnvironmentFault, match=r"^MLflow at sqlite:///.* failed: "):
        Library("nodules", f"sqlite:///{tmp_path / 'mlflow.db'}").exists()


def test_mlflows_settings_are_given_back(library, observe, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    before = dict(os.environ)
    library.add([observe("a")], "one")
    assert dict(os.environ) == before


def test_nothing_is_printed(tmp_path):
    program = """
import sys
sys.path[:0] = {path!r}
from foveal.library import Library
from foveal.library.connection import quiet
from foveal.records import Observation, SampleRecord
quiet()
record = SampleRecord("a", 0, "production", "t", 0, (), {{}}, "m", "c", "s", (1,))
library = Library("quiet", sys.argv[1])
library.add([Observation(record)], "one")
library.publish_note()
assert len(library.samples()) == 1
"""
    command = [sys.executable, "-c", program.format(path=sys.path), f"sqlite:///{tmp_path / 'mlflow.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_a_library_does_not_import_mlflow():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import foveal.library; assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://u:p@host/x", "http://***@host/x"),
        ("postgresql://u:p@ss@host:5432/db failed", "postgresql://***@host:5432/db failed"),
        ("http://token@h http://h2", "http://***@h http://h2"),
        ("http://h/?password=x&a=b&Token=y", "http://h/?password=***&a=b&Token=***"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_credentials_are_masked(text, masked):
    assert mask_credentials(text) == masked
