"""Artifacts over HTTP: the same requests as MLflow's own, and as few as a shard needs."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from foveal.errors import EnvironmentFault
from foveal.library import Added, Library, wire

ROOT = "/api/2.0/mlflow-artifacts/artifacts"


class Answers(BaseHTTPRequestHandler):
    """Takes, gives and lists files as an MLflow server does; keeps what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = int(self.headers["Content-Length"] or 0)
        body = self.rfile.read(length)
        failing = self.server.failing and self.server.failing.pop()
        self.server.asked.append(("PUT", self.name, body))
        if not failing:
            self.server.files[self.name] = body
        self._answer(503 if failing else 200, b"")

    def do_GET(self):
        self.server.asked.append(("GET", self.path.removeprefix(ROOT + "/"), b""))
        if self.server.failing and self.server.failing.pop():
            self._answer(500, b"no")
        elif self.path.startswith(ROOT + "?"):
            self._answer(200, json.dumps({"files": self._listing()}).encode())
        else:
            content = self.server.files.get(self.name)
            self._answer(404 if content is None else 200, content or b"")

    @property
    def name(self):
        return urlsplit(self.path).path.removeprefix(ROOT + "/")

    def _listing(self):
        (folder,) = parse_qs(urlsplit(self.path).query)["path"]
        names = {name.rsplit("/", 1)[1]: content for name, content in self.server.files.items()
                 if name.rsplit("/", 1)[0] == folder}  # fmt: skip
        return [{"path": name, "is_dir": False, "file_size": len(content)} for name, content in names.items()]

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.files, server.asked, server.failing = {}, [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def repository(server):
    return get_artifact_repository(f"http://127.0.0.1:{server.server_port}{ROOT}/run")


@pytest.fixture
def remote(server, library, tracking_uri, monkeypatch):
    """A library whose artifacts can only be reached over HTTP."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    place = f"http://127.0.0.1:{server.server_port}{ROOT}/{library.name.replace(' ', '-')}"
    MlflowClient(tracking_uri).create_experiment(f"foveal/{library.name}", place)
    return library


SIZES = [0, 1, wire._BLOCK - 1, wire._BLOCK, wire._BLOCK + 1, 3 * wire._BLOCK + 5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_an_artifact_arrives_as_mlflow_itself_sends_it(server, repository, tmp_path, size, kind):
    content = bytes(n * 7 % 251 for n in range(size))
    wire.send(repository, "entries/a b.parquet", kind(content))
    (tmp_path / "a b.parquet").write_bytes(content)
    if size:  # MLflow sends an empty file without saying how long it is
        repository.log_artifact(str(tmp_path / "a b.parquet"), "entries")
        assert server.asked[0] == server.asked[1]
    assert server.asked[0][2] == content
    assert wire.receive(repository, "entries/a b.parquet") == content


def test_a_request_that_is_made_again_sends_everything_again(server, repository, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    server.failing = [False, True, True]
    content = bytes(2 * wire._BLOCK + 9)
    wire.send(repository, "entries/a.parquet", content)
    assert server.asked == [("PUT", "run/entries/a.parquet", content)] * 3


def test_a_server_that_refuses_is_an_error(server, repository, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server.failing = [True, True]
    with pytest.raises(MlflowException, match="503"):
        wire.send(repository, "entries/a.parquet", b"a")
    with pytest.raises(MlflowException, match="500"):
        wire.receive(repository, "entries/a.parquet")


def test_what_is_not_there_is_told_from_what_fails(repository):
    with pytest.raises(wire.MissingError, match=r"manifests/a\.json"):
        wire.receive(repository, "manifests/a.json")


def test_what_mlflow_may_send_in_parts_goes_its_own_way(server, repository, monkeypatch):
    sent = []
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "10")
    monkeypatch.setattr(type(repository), "log_artifact", lambda self, file, folder: sent.append(folder))
    wire.send(repository, "entries/a.parquet", b"9 bytes..")
    assert (len(server.files), sent) == (1, [])
    wire.send(repository, "entries/b.parquet", b"10 bytes..")
    assert (len(server.files), sent) == (1, ["entries"])


def test_a_store_without_a_server_takes_files(tmp_path):
    repository = get_artifact_repository((tmp_path / "store").as_uri())
    wire.send(repository, "entries/a.parquet", memoryview(b"abc"))
    assert (tmp_path / "store" / "entries" / "a.parquet").read_bytes() == b"abc"
    assert wire.receive(repository, "entries/a.parquet") == b"abc"


def test_a_shard_takes_five_requests_and_its_manifest_is_the_last(server, remote, again, observe):
    remote.add([observe("a")], "one")
    server.asked.clear()
    assert remote.add([observe("b")], "two") == Added(1, 2)
    asked = [(method, path.split("artifacts/")[-1]) for method, path, _ in server.asked]
    assert asked[:2] == [("GET", "manifests/two.json"), ("GET", "replaced/two.json")]
    assert sorted(asked[2:4]) == [("PUT", "entries/two.parquet"), ("PUT", "samples/two.parquet")]
    assert asked[4:] == [("PUT", "manifests/two.json")]
    assert again(remote).samples()["sample"].to_pylist() == ["a", "b"]
    assert [shard.sequence for shard in again(remote).store.shards()] == [0, 1]


def test_a_shard_that_is_there_takes_one_request(server, remote, again, observe):
    remote.add([observe("a")], "one")
    server.asked.clear()
    assert again(remote).add([observe("a")], "one") == Added(0, 0)
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_no_manifest_is_written_where_the_files_or_the_number_fail(server, remote, again, observe):
    remote.add([observe("a")], "one")
    before = sorted(name for name in server.files if "manifests/" in name)
    server.failing = [True]
    with pytest.raises(EnvironmentFault):
        remote.store._write(remote.made([observe("b")]), "two", lambda: pytest.fail("drafted in vain"))
    with pytest.raises(RuntimeError, match="no number"):
        remote.store._write(remote.made([observe("b")]), "two", _numberless)
    assert sorted(name for name in server.files if "manifests/" in name) == before
    assert again(remote).add([observe("b")], "two") == Added(1, 2)


def _numberless():
    raise RuntimeError("no number")


def test_an_artifact_that_went_while_it_was_read_is_named(remote, observe):
    remote.add([observe("a")], "one")
    with pytest.raises(EnvironmentFault) as caught:
        remote.tracking.read("manifests/two.json")
    assert str(caught.value) == (
        f"manifests/two.json of library '{remote.name}' is missing. "
        "Bring it back from a backup of the MLflow store."
    )


def test_a_folder_is_listed_with_one_request(server, remote, observe):
    remote.add([observe("a")], "one")
    server.asked.clear()
    assert remote.tracking.names_in("manifests") == ["one.json"]
    assert remote.tracking.names_in("tombstones") == []
    assert [method for method, _, _ in server.asked] == ["GET", "GET"]


def test_the_library_over_http_is_the_one_on_the_disk(remote, tracking_uri, observe):
    """The same records through both ways give the same files."""
    beside = Library(f"{remote.name} beside", tracking_uri)
    for library in (remote, beside):
        library.add([observe("a"), observe("b", ("fc1:9",))], "one")
    (ours,), (theirs,) = remote.store.shards(), beside.store.shards()
    assert ours == theirs
    assert remote.entries().equals(beside.entries())
