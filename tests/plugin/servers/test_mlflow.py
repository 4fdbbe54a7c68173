from __future__ import annotations

import socket

import pytest

from foveal.errors import EnvironmentFault
from foveal.servers import MlflowServer
from foveal.servers.process import living_members


@pytest.mark.slow
def test_a_server_that_keeps_runs_and_artifacts(tmp_path, monkeypatch):
    import mlflow  # noqa: PLC0415 - heavy

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1/another")
    with MlflowServer(tmp_path / "store") as server:
        client = mlflow.MlflowClient(server.uri)
        run = client.create_run(client.create_experiment("e"))
        client.log_text(run.info.run_id, "kept", "a/b.txt")
        assert server.running()
        group = server._group.pid
    assert not server.running()
    assert living_members(group) == []
    assert [path.read_text() for path in (tmp_path / "store" / "artifacts").rglob("b.txt")] == ["kept"]
    after = mlflow.MlflowClient(server.database_uri)
    assert [artifact.path for artifact in after.list_artifacts(run.info.run_id, "a")] == ["a/b.txt"]


def test_a_start_that_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(
        MlflowServer, "_command", lambda self, port: ["sh", "-c", "echo no such table; exit 1"]
    )
    folder = tmp_path / "store"
    with pytest.raises(EnvironmentFault) as caught, MlflowServer(folder):
        pass
    assert str(caught.value) == (
        "The local MLflow server ended while it started (no such table). "
        f"Read {folder / 'mlflow.log'}, or set MLFLOW_TRACKING_URI to a server that runs."
    )


def test_a_taken_port(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"Port {port} cannot be used .* another --mlflow-port"):
            MlflowServer(tmp_path, port=port).start()
