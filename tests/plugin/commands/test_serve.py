from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.commands import serve
from foveal.errors import EnvironmentFault, UsageError
from foveal.servers import Ports, free_port


class Stand:
    """Stands in for a server and writes down when it starts and stops."""

    def __init__(self, name, diary, **attributes):
        self.name, self.diary = name, diary
        self.__dict__.update(attributes)

    def __enter__(self):
        self.diary.append(f"{self.name} starts")
        return self

    def __exit__(self, *_):
        self.diary.append(f"{self.name} stops")


@pytest.fixture
def diary():
    return []


@pytest.fixture
def asked():
    """What the servers were asked for."""
    return {}


@pytest.fixture
def served(monkeypatch, tmp_path, diary, asked):
    """Run the command with stand-ins; it is stopped by a signal once it watches."""
    alive = {"torchserve": True, "stop": signal.SIGTERM}

    def torchserve(store, models, **options):
        asked["torchserve"] = (store, models, options)
        urls = {
            f"{name}_url": f"http://127.0.0.1:{port}"
            for name, port in (("inference", 1), ("management", 2), ("metrics", 3))
        }
        return Stand(
            "TorchServe",
            diary,
            models={"a": "a.mar", "b": "b.mar"},
            logs=options["logs"],
            keys=alive.get("keys"),
            running=lambda: alive["torchserve"],
            check=lambda: diary.append("TorchServe is checked"),
            **urls,
        )

    def mlflow(folder, port):
        asked["mlflow"] = (folder, port)
        return Stand("MLflow", diary, uri="http://127.0.0.1:4", database_uri=f"sqlite:///{folder}/mlflow.db")

    class Group:
        """Stands in for the shipper's process."""

        def __init__(self, command, environ, folder, log):
            asked.setdefault("shipper", []).append((command, environ["MLFLOW_TRACKING_URI"], log))
            diary.append("shipper starts")

        def running(self):
            if alive["stop"]:
                os.kill(os.getpid(), alive["stop"])
            return True

        def stop(self):
            diary.append("shipper stops")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("foveal.servers.TorchServe", torchserve)
    monkeypatch.setattr("foveal.servers.MlflowServer", mlflow)
    monkeypatch.setattr("foveal.servers.process.ProcessGroup", Group)
    monkeypatch.setattr(
        "foveal.shipper.ship",
        lambda spool, library: diary.append(f"the rest goes to {os.environ['MLFLOW_TRACKING_URI']}"),
    )
    app = typer.Typer()
    app.callback()(lambda: None)
    serve.register(app)

    def run(*options, **state):
        alive.update(state)
        return CliRunner().invoke(app, ["serve", "store", *options])

    return run


def test_everything_starts_and_stops_in_order(served, diary):
    result = served()
    assert result.exit_code == 0, result.exception
    assert diary == [
        "TorchServe is checked",
        "MLflow starts",
        "shipper starts",
        "TorchServe starts",
        "TorchServe stops",
        "shipper stops",
        "the rest goes to http://127.0.0.1:4",
        "MLflow stops",
    ]
    assert "MLFLOW_TRACKING_URI" not in os.environ


@pytest.fixture
def attached():
    """Run as in a terminal, also where the tests themselves are detached from theirs."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("attached")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_of_stopping(served, diary, number):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert served(stop=number).exit_code == 0
    assert diary[-1] == "MLflow stops"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_the_addresses_are_printed(served, tmp_path):
    folder = tmp_path / "foveal-serve"
    result = served("--json", "--shipper-metrics-port", str(port := free_port()))
    assert json.loads(result.stdout) == {
        "predictions": {name: f"http://127.0.0.1:1/predictions/{name}" for name in "ab"},
        "management": "http://127.0.0.1:2",
        "metrics": "http://127.0.0.1:3/metrics",
        "mlflow": "http://127.0.0.1:4",
        "spool": str(folder / "spool"),
        "logs": str(folder / "logs"),
        "shipper": f"http://127.0.0.1:{port}/metrics",
    }
    lines = served().stdout.splitlines()
    assert lines[0].split() == ["predictions", "http://127.0.0.1:1/predictions/a"]
    assert lines[-2].split() == ["logs", str(folder / "logs")]
    assert lines[-1].startswith("shipper      http://127.0.0.1:")


def test_the_options_reach_their_servers(served, asked, tmp_path):
    served(
        *("--models", "a.mar,b.mar", "--dir", "d", "--spool", "s", "--library", "one"),
        *("--inference-port", "8080", "--grpc-management-port", "7071", "--mlflow-port", "5000"),
    )
    store, models, options = asked["torchserve"]
    assert (store, models) == (Path("store"), ["a.mar", "b.mar"])
    assert options.pop("settings") == {}
    assert options == {
        "spool": tmp_path / "s",
        "logs": tmp_path / "d" / "logs",
        "ports": Ports(inference=8080, grpc_management=7071),
    }
    assert asked["mlflow"] == (tmp_path / "d" / "mlflow", 5000)
    ((command, uri, log),) = asked["shipper"]
    assert command[0] == sys.executable
    *start, port = command[-7:-2]
    assert start == ["ship", str(tmp_path / "s"), "--follow", "--metrics-port"]
    assert int(port) > 0
    assert command[-2:] == ["--library", "one"]
    assert (uri, log) == ("http://127.0.0.1:4", tmp_path / "d" / "logs" / "shipper.log")


def understood(command):
    """Read the shipper's command line as `foveal ship` does; nothing is run."""
    words = command[command.index("ship") :]
    ship = typer.main.get_command(build_app()).commands["ship"]
    with ship.make_context("ship", words[1:]) as context:
        return context.params


@pytest.mark.parametrize(("options", "days"), [((), None), (("--retain-days", "0.125"), 0.125)])
def test_the_shipper_is_told_how_long_samples_are_kept(served, asked, tmp_path, options, days):
    assert served("--library", "one", *options).exit_code == 0
    ((command, _, _),) = asked["shipper"]
    told = understood(command)
    assert told.pop("metrics_port") > 0
    assert told == {
        "spool": tmp_path / "foveal-serve" / "spool",
        "library": "one",
        "follow": True,
        "metrics_host": "127.0.0.1",
        "retain_days": days,
        "as_json": False,
    }


def test_samples_cannot_be_kept_for_less_than_no_time(served, asked):
    assert served("--retain-days", "-1").exit_code == 2
    assert asked == {}


def test_settings_of_ones_own_reach_torchserve(served, asked, tmp_path):
    file = tmp_path / "config.properties"
    file.write_text("batch_size=4\ndisable_token_authorization=true\n")
    result = served("--config", str(file))
    assert result.exit_code == 0, result.exception
    assert asked["torchserve"][2]["settings"] == {"batch_size": "4", "disable_token_authorization": "true"}


def test_unsafe_settings_are_refused_unless_allowed(served, asked, diary, tmp_path):
    file = tmp_path / "config.properties"
    file.write_text(
        "enable_model_api=true\ninference_address=http://0.0.0.0:80\ndisable_token_authorization=true\n"
    )
    result = served("--config", str(file), "--allow-unsafe", "open-urls")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == (
        f"{file} is unsafe: disable_token_authorization=true (every program that reaches an address may use "
        "it); enable_model_api=true (models, and with them code, can be added over the network). "
        "Write instead: disable_token_authorization=false, enable_model_api=false; or, knowing what may "
        "happen, add --allow-unsafe no-tokens --allow-unsafe model-api."
    )
    assert diary == []
    allowed = ("no-tokens", "model-api", "open-urls")
    result = served("--config", str(file), *(word for name in allowed for word in ("--allow-unsafe", name)))
    assert result.exit_code == 0, result.exception
    assert asked["torchserve"][2]["settings"]["enable_model_api"] == "true"


def test_where_the_tokens_are_is_said(served, tmp_path):
    assert json.loads(served("--json", keys=tmp_path / "key_file.json").stdout)["keys"] == str(
        tmp_path / "key_file.json"
    )


def test_what_to_do_next_is_said(served, tmp_path):
    assert served().stderr.splitlines()[-2:] == [
        f"To work with its library: export MLFLOW_TRACKING_URI=sqlite:///{tmp_path}/foveal-serve/mlflow/mlflow.db",
        "Stopped. What was spooled is in the library.",
    ]


def test_a_tracking_server_that_is_set_is_used(served, diary, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking:5000")
    result = served("--json")
    assert result.exit_code == 0
    assert not any("MLflow" in line for line in diary)
    assert "secret" not in result.stdout
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://me:secret@tracking:5000"


def test_a_torchserve_that_ends_by_itself(served, diary, tmp_path):
    result = served(torchserve=False)
    assert isinstance(result.exception, EnvironmentFault)
    assert str(result.exception) == (
        f"TorchServe ended by itself. Read the logs in {tmp_path}/foveal-serve/logs, then start again."
    )
    assert diary[-1] == "MLflow stops"
    assert "shipper stops" in diary


def test_a_shipper_that_ends_is_started_again_but_not_over_and_over(tmp_path, monkeypatch, capsys):
    started = []
    now = [0.0]

    class Group:
        def __init__(self, *_):
            started.append(now[0])

        def running(self):
            return False

        def stop(self):
            pass

    monkeypatch.setattr("foveal.servers.process.ProcessGroup", Group)
    monkeypatch.setattr(serve, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with serve._Shipper(serve._Place(tmp_path, tmp_path / "spool"), None, 1) as shipper:
        for _ in range(200):
            now[0] += 0.5
            shipper.keep_running()
    assert started == [0.0, 30.0, 60.0, 90.0]
    assert capsys.readouterr().err.count("is started again; requests wait in the spool") == 3


def test_stopping_itself_is_not_interrupted():
    stopped = []
    with serve._stopped_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
                time.sleep(0.05)
            stopped.append("in peace")
    assert stopped == ["in peace"]
