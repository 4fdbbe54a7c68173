from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from foveal.archives.mar import MANIFEST, write_archive
from foveal.errors import EnvironmentFault, UsageError
from foveal.monitoring.workers import missing as missing_metrics
from foveal.servers import Ports, TorchServe, free_port, torchserve
from foveal.servers.settings import properties, written
from foveal.servers.torchserve import find_models


@pytest.fixture
def store(tmp_path):
    """Make a model store with archives that hold nothing but their names."""

    def make(**archives):
        folder = tmp_path / "store"
        folder.mkdir(exist_ok=True)
        for stem, name in (archives or {"a": "a"}).items():
            manifest = json.dumps({"model": {"modelName": name, "handler": "h.py"}}).encode()
            with (folder / f"{stem}.mar").open("wb") as out:
                write_archive({MANIFEST: manifest}, out)
        return folder

    return make


def test_all_archives_of_the_store_are_served_by_their_names(store):
    folder = store(a="alpha", b="beta")
    (folder / "notes.txt").write_text("")
    (folder / "unpacked" / "MAR-INF").mkdir(parents=True)
    (folder / "unpacked" / MANIFEST).write_text('{"model": {"modelName": "gamma", "handler": "h.py"}}')
    assert find_models(folder, None) == {"alpha": "a.mar", "beta": "b.mar", "gamma": "unpacked"}
    assert find_models(folder, ["b.mar"]) == {"beta": "b.mar"}


def message(*arguments):
    with pytest.raises(UsageError) as caught:
        find_models(*arguments)
    return str(caught.value)


def test_stores_that_cannot_be_served(store, tmp_path):
    missing, empty = tmp_path / "none", tmp_path / "empty"
    empty.mkdir()
    assert (
        message(missing, None) == f"No model store at {missing}. Give the folder that holds the .mar files."
    )
    assert message(empty, None) == (
        f"The model store {empty} holds no .mar file. Build one with: foveal pack -o {empty}/NAME.mar."
    )
    folder = store(a="same", b="same")
    assert message(folder, ["c.mar"]) == (
        f"The model store {folder} holds no 'c.mar'. Did you mean 'b.mar' or 'a.mar'."
    )
    assert message(folder, None) == (
        "a.mar and b.mar both serve the model 'same'. Serve one of them with --models."
    )


def settings(models=None, user=None):
    ports = Ports().or_from(user or {}).chosen()
    text = written(properties(models or {"alpha": "a.mar", "beta": "b.mar"}, ports, user))
    return ports, dict(line.split("=", 1) for line in text.splitlines())


def test_only_this_machine_is_answered():
    ports, values = settings()
    addresses = {key: value for key, value in values.items() if key.endswith("_address")}
    assert len(addresses) == 5
    assert all("127.0.0.1" in value for value in addresses.values())
    assert {int(value.rsplit(":", 1)[1]) for value in addresses.values() if ":" in value} == {
        ports[name] for name in ("inference", "management", "metrics")
    }
    assert values["enable_model_api"] == "false"
    assert values["load_models"] == "alpha=a.mar,beta=b.mar"


def test_names_are_written_as_java_reads_them():
    _, values = settings({"x": "Zähler 🔬.mar"})
    assert values["load_models"] == r"x=Z\u00e4hler \ud83d\udd2c.mar"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Let a script of ours stand in for TorchServe."""

    def write(code):
        package = tmp_path / "path" / "ts"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "model_server.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return write


@pytest.fixture
def scratch(monkeypatch):
    """The folder in which scratch folders are made; its path is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_what_the_program_is_given(store, tmp_path, stand_in, scratch, monkeypatch):
    monkeypatch.setenv("TS_CONFIG_FILE", "/elsewhere")
    stand_in(
        "import json, os, sys\n"
        "print(json.dumps({'arguments': sys.argv[1:], 'environ': dict(os.environ), 'folder': os.getcwd()}))\n"
    )
    server = TorchServe(
        store(), spool=tmp_path / "spool", logs=tmp_path / "logs", environ={"FOVEAL_LAYER": "late"}
    )
    with pytest.raises(EnvironmentFault):
        server.start()
    given = json.loads((tmp_path / "logs" / "torchserve.log").read_text())
    environ, folder = given["environ"], Path(given["folder"])
    assert environ["FOVEAL_SPOOL_DIR"] == str(tmp_path / "spool")
    assert environ["FOVEAL_LAYER"] == "late"
    assert "TS_CONFIG_FILE" not in environ
    assert environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environ["TMPDIR"] == environ["TEMP"] == str(folder)
    assert folder.parent == scratch
    assert environ["LOG_LOCATION"] == environ["METRICS_LOCATION"] == str(tmp_path / "logs")
    assert given["arguments"] == [
        *("--start", "--foreground", "--no-config-snapshots"),
        *("--ts-config", f"{folder}/config.properties", "--model-store", str(tmp_path / "store")),
    ]
    assert list(scratch.iterdir()) == []


def test_a_start_that_fails_names_the_line_that_says_why(store, tmp_path, stand_in, scratch):
    stand_in("import sys; sys.exit('java.lang.UnsupportedClassVersionError: too old')")
    with pytest.raises(EnvironmentFault) as caught, TorchServe(store(), logs=tmp_path / "logs"):
        pass
    assert str(caught.value) == (
        "TorchServe ended while it started (java.lang.UnsupportedClassVersionError: too old). "
        f"Mend that, or read the logs in {tmp_path / 'logs'}."
    )
    assert list(scratch.iterdir()) == []


def test_the_logs_of_a_failed_start_are_kept(store, stand_in, scratch):
    stand_in("import sys; sys.exit('OSError: nothing works')")
    with pytest.raises(EnvironmentFault) as caught, TorchServe(store()):
        pass
    (kept,) = scratch.iterdir()
    assert str(kept) in str(caught.value)
    assert (kept / "torchserve.log").read_text() == "OSError: nothing works\n"


def test_a_model_that_dies_ends_the_start_at_once(store, tmp_path, stand_in, scratch):
    stand_in(
        "import os, time\n"
        "with open(os.path.join(os.environ['LOG_LOCATION'], 'model_log.log'), 'w') as log:\n"
        "    log.write('x - Backend worker process died.\\n')\n"
        "    log.write('x - y - foveal.errors.UsageError: Unknown key\\n')\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(EnvironmentFault, match=r"could not start a model \(.*UsageError: Unknown key"):
        TorchServe(store(), logs=tmp_path / "logs").start()


def test_logs_of_an_earlier_run_do_not_count(store, tmp_path, stand_in, scratch):
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("model_log.log", "torchserve.log"):
        (logs / name).write_text("x - Backend worker process died.\nx - y - KeyError: 'of an earlier run'\n")
    stand_in("import sys; sys.exit('no words that tell')")
    with pytest.raises(EnvironmentFault) as caught:
        TorchServe(store(), logs=logs).start()
    assert str(caught.value).startswith("TorchServe ended while it started (the logs are silent).")


def test_without_torchserve(store, monkeypatch):
    monkeypatch.setattr("foveal.servers.torchserve.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault) as caught:
        TorchServe(store())
    assert str(caught.value) == (
        f"TorchServe is not installed for {sys.executable}. pip install 'foveal[serve]'."
    )


def test_no_java(store, monkeypatch, scratch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("foveal.servers.java.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match="No Java found"), TorchServe(store()):
        pass
    assert list(scratch.iterdir()) == []


def test_a_taken_port(store, scratch):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"Port {port} cannot be used"):
            TorchServe(store(), ports=Ports(inference=port)).start()
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_is_short_enough_for_sockets(store, tmp_path, stand_in, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    stand_in("import os; print(os.getcwd())")
    with pytest.raises(EnvironmentFault):
        TorchServe(store(), logs=tmp_path / "logs").start()
    assert len((tmp_path / "logs" / "torchserve.log").read_text().strip()) < 80


def test_settings_of_ones_own_go_before_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    user = {
        "job_queue_size": "7",
        "default_response_timeout": "33",
        "load_models": "all",
        "metrics_config": "m.yaml",
        "allowed_urls": r"https://s3\.amazonaws\.com/.*",
    }
    _, values = settings(user=user)
    assert values["job_queue_size"] == "7"
    assert values["default_response_timeout"] == "33"
    assert values["load_models"] == "alpha=a.mar,beta=b.mar"
    assert values["metrics_config"] == str(tmp_path / "m.yaml")
    assert values["allowed_urls"] == r"https://s3\\.amazonaws\\.com/.*"
    assert values["disable_token_authorization"] == "true"


def test_addresses_of_ones_own():
    wanted = free_port()
    user = {"inference_address": f"http://0.0.0.0:{wanted}", "grpc_inference_address": "0.0.0.0"}
    ports, values = settings(user=user)
    assert ports["inference"] == wanted
    assert values["inference_address"] == f"http://0.0.0.0:{wanted}"
    assert values["grpc_inference_address"] == "0.0.0.0"
    assert values["management_address"] == f"http://127.0.0.1:{ports['management']}"
    assert "disable_token_authorization" not in values  # others reach it: TorchServe asks for tokens
    assert Ports(inference=1).or_from(user).inference == 1


@pytest.mark.parametrize("address", ["https://127.0.0.1:8080", "unix:/tmp/x", "http://"])
def test_addresses_that_cannot_be_served(address):
    with pytest.raises(UsageError) as caught:
        settings(user={"management_address": address})
    assert str(caught.value) == (
        f"management_address={address} cannot be served here: only http://HOST:PORT. "
        "Write such an address, or start TorchServe yourself and ship its spool with: foveal ship."
    )


def test_a_port_that_is_no_number():
    with pytest.raises(
        UsageError, match=r"^grpc_inference_port=many is no port\. Write a number from 1 to 65535\.$"
    ):
        Ports().or_from({"grpc_inference_port": "many"})


def test_a_metrics_file_that_is_missing(store, tmp_path, scratch):
    missing = tmp_path / "none.yaml"
    with pytest.raises(UsageError, match=f"The file of metrics {missing} cannot be read"):
        TorchServe(store(), settings={"metrics_config": str(missing)}).start()
    assert list(scratch.iterdir()) == []


def test_our_metrics_are_declared(store, tmp_path, stand_in, scratch):
    stand_in("import os; print(open('metrics.yaml').read())")
    with pytest.raises(EnvironmentFault):
        TorchServe(store(), logs=tmp_path / "logs").start()
    text = (tmp_path / "logs" / "torchserve.log").read_text()
    assert missing_metrics(text) == {}
    assert "HandlerTime" in text


@pytest.mark.parametrize("length", [20, 60, 68, 69, 78, 90])
def test_sockets_fit_into_the_scratch_folder(length, monkeypatch, tmp_path):
    base = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    base.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(base))
    scratch = torchserve._scratch_folder()
    scratch.rmdir()
    assert len(f"{scratch}/.ts.sock.65535") <= 107
