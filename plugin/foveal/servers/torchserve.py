"""TorchServe on this machine with safe settings: loopback only, its own ports, logs and scratch folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from foveal.archives.mar import is_archive, model_name
from foveal.errors import EnvironmentFault, UsageError, nearest
from foveal.monitoring.workers import merged
from foveal.servers.configuration import host_and_port, is_on
from foveal.servers.http import Answer, ask
from foveal.servers.java import find_java
from foveal.servers.logs import telling_line
from foveal.servers.ports import LOOPBACK
from foveal.servers.process import ProcessGroup, wait_until
from foveal.servers.settings import Ports, properties, written

#: A unix socket's path has at most 107 characters, TorchServe puts its sockets into the scratch folder.
_LONGEST_SCRATCH = 68


class TorchServe:
    """A TorchServe that lives as long as the context and leaves nothing running.

    Parameters
    ----------
    model_store
        Folder with the archives.
    models
        The archives to serve, by their file names; all ``.mar`` files of the folder where none are named.
    spool
        Folder for the workers' observations; goes before what the archives say.
    logs
        Folder for TorchServe's logs.
    ports
        The ports to listen on.
    environ
        Variables to add for the workers.
    startup_seconds
        How long it may take until every model is ready.
    settings
        A config.properties of one's own, which goes before the safe settings of this class; whether it is
        safe itself is not looked at here: see :func:`foveal.servers.dangers.refuse`.

    Attributes
    ----------
    models
        File name by the name under which each model is served.
    inference_url, management_url, metrics_url
        The addresses, while it runs.

    Raises
    ------
    EnvironmentFault
        When TorchServe is not installed.
    UsageError
        When the folder or an archive is missing, or two archives have the same model name.
    """

    def __init__(
        self,
        model_store: Path,
        models: Sequence[str] | None = None,
        *,
        spool: Path | None = None,
        logs: Path | None = None,
        ports: Ports | None = None,
        environ: Mapping[str, str] | None = None,
        startup_seconds: float = 180.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        _require_torchserve()
        self._store = model_store.resolve()
        self.models = find_models(self._store, models)
        self._spool = spool
        self._kept_logs = logs
        self._user = dict(settings or {})
        self._ports = (ports or Ports()).or_from(self._user)
        self._environ = dict(environ or {})
        self._startup_seconds = startup_seconds
        self._scratch: Path | None = None
        self._settings: dict[str, str] = {}
        self._earlier: dict[str, int] = {}
        self._group: ProcessGroup | None = None
        self.inference_url = self.management_url = self.metrics_url = ""

    def __enter__(self) -> TorchServe:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def logs(self) -> Path:
        """Folder of the logs; inside the scratch folder where none was given."""
        return (self._kept_logs or (self._scratch or Path(tempfile.gettempdir())) / "logs").resolve()

    def check(self) -> None:
        """Find what would stop the start before anything else is started.

        Raises
        ------
        EnvironmentFault
            When Java is missing or a port is taken.
        """
        find_java()
        self._ports.chosen()

    def start(self) -> None:
        """Start TorchServe and wait until every model answers.

        Raises
        ------
        EnvironmentFault
            When Java is missing, a port is taken, or a model does not start; names the log line that tells.
        """
        java = find_java()
        ports = self._ports.chosen()
        self._scratch = _scratch_folder()
        self._earlier = {path.name: path.stat().st_size for path in self.logs.glob("*.log")}
        try:
            self._settings = self._chosen_settings(self._scratch, ports)
            config = self._scratch / "config.properties"
            config.write_text(written(self._settings), encoding="ascii")
            self._group = ProcessGroup(
                self._command(config),
                self._environment(java),
                self._scratch,
                self.logs / "torchserve.log",
                scratch=self._scratch,
            )
            self._set_urls()
            wait_until(self._ready, self._group, self._startup_seconds, self._fault)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop TorchServe with its workers and remove its scratch folder; given logs stay."""
        group, self._group = self._group, None
        if group is not None:
            group.stop()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def running(self) -> bool:
        """Tell whether TorchServe runs."""
        return self._group is not None and self._group.running()

    def predict(self, model: str, data: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask for the prediction of one sample.

        Raises
        ------
        UsageError
            When TorchServe refuses the sample.
        EnvironmentFault
            When it fails otherwise.
        """
        answer = self.request(f"/predictions/{model}", data, headers)
        if answer.status == 200:
            return dict(json.loads(answer.body))
        text = f"TorchServe answered {answer.status}: {answer.message}"
        if 400 <= answer.status < 500:
            raise UsageError(text, "Send an image that the model takes, to a model that is served")
        raise EnvironmentFault(text, f"Read {self.logs / 'model_log.log'}")

    def request(
        self, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request to the inference address: POST with data, GET without."""
        return ask(f"{self.inference_url}{path}", data, {**self._token("inference"), **(headers or {})})

    @property
    def keys(self) -> Path | None:
        """File with the tokens that requests need, while it runs; None where they need none."""
        if self._scratch is None or is_on(self._settings, "disable_token_authorization"):
            return None
        return self._scratch / "key_file.json"

    def _chosen_settings(self, scratch: Path, ports: Mapping[str, int]) -> dict[str, str]:
        """Put the settings together, with a metrics.yaml in which ours are declared."""
        settings = properties(self.models, ports, self._user)
        metrics = Path(settings.get("metrics_config") or _own_metrics_file())
        declared = scratch / "metrics.yaml"
        declared.write_text(merged(_text(metrics)), encoding="utf-8")
        return settings | {"metrics_config": str(declared)}

    def _set_urls(self) -> None:
        """Say where this machine reaches the addresses."""
        self.inference_url, self.management_url, self.metrics_url = (
            _local(self._settings[f"{name}_address"]) for name in ("inference", "management", "metrics")
        )

    def _token(self, kind: str) -> dict[str, str]:
        """Give the header that a kind of address wants, where it wants one."""
        if self.keys is None:
            return {}
        try:
            return {"Authorization": f"Bearer {json.loads(self.keys.read_bytes())[kind]['key']}"}
        except (OSError, ValueError, KeyError):  # TorchServe is just starting and has not written it yet
            return {}

    def _command(self, config: Path) -> list[str]:
        """Give the command line; the interpreter that runs this also runs the workers."""
        return [
            *(sys.executable, "-m", "ts.model_server", "--start", "--foreground", "--no-config-snapshots"),
            *("--ts-config", str(config), "--model-store", str(self._store)),
        ]

    def _environment(self, java: Mapping[str, str]) -> dict[str, str]:
        """Make the environment of the server and its workers."""
        scratch = str(self._scratch)
        own = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
            "TMPDIR": scratch,  # the pid file
            "TEMP": scratch,  # sockets and unpacked models
            "LOG_LOCATION": str(self.logs),
            "METRICS_LOCATION": str(self.logs),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),  # else every worker takes every core
            "PYTHONUNBUFFERED": "1",
        }
        spool = {"FOVEAL_SPOOL_DIR": str(self._spool.resolve())} if self._spool else {}
        inherited = {key: value for key, value in os.environ.items() if key != "TS_CONFIG_FILE"}
        return inherited | own | dict(java) | spool | self._environ

    def _ready(self) -> bool:
        """Tell whether every model has a worker that answers; raise where one has died."""
        died = self._telling_line("model_log.log", only_after="Backend worker process died")
        if died:
            raise self._fault("could not start a model", died)
        return self._pings() and all(self._has_worker(name) for name in self.models)

    def _pings(self) -> bool:
        """Tell whether the inference address answers; with tokens it answers only those who have one."""
        try:
            return self.request("/ping").status == 200
        except EnvironmentFault:
            return False

    def _has_worker(self, name: str) -> bool:
        """Ask the management address whether a model has a ready worker."""
        answer = ask(f"{self.management_url}/models/{name}", headers=self._token("management"))
        if answer.status != 200:
            return False
        workers = [worker for version in json.loads(answer.body) for worker in version.get("workers", [])]
        return any(worker.get("status") == "READY" for worker in workers)

    def _fault(self, what: str, line: str | None = None) -> EnvironmentFault:
        """Make the error of a start that failed, with the log line that says most."""
        logs = ("torchserve.log", "model_log.log", "ts_log.log")
        lines = [line] if line else [found for log in logs if (found := self._telling_line(log))]
        reason = lines[-1] if lines else "the logs are silent"
        return EnvironmentFault(
            f"TorchServe {what} ({reason})", f"Mend that, or read the logs in {self._lasting_logs()}"
        )

    def _telling_line(self, log: str, only_after: str | None = None) -> str | None:
        """Find the line of a log that says why this start failed."""
        return telling_line(self.logs / log, self._earlier.get(log, 0), only_after)

    def _lasting_logs(self) -> Path:
        """Name a folder in which the logs can still be read when the scratch folder is gone."""
        if self._kept_logs is not None or not self.logs.is_dir():
            return self.logs
        return Path(shutil.copytree(self.logs, tempfile.mkdtemp(prefix="foveal-logs-"), dirs_exist_ok=True))


def _require_torchserve() -> None:
    """Insist on TorchServe for the interpreter that runs this."""
    if find_spec("ts") is None:
        raise EnvironmentFault(
            f"TorchServe is not installed for {sys.executable}", "pip install 'foveal[serve]'"
        )


def find_models(store: Path, models: Sequence[str] | None) -> dict[str, str]:
    """List the archives to serve: file name by the name under which each is served.

    Raises
    ------
    UsageError
        When the folder or an archive is missing, or two archives have the same model name.
    """
    if not store.is_dir():
        raise UsageError(f"No model store at {store}", "Give the folder that holds the .mar files")
    present = sorted(path.name for path in store.iterdir() if is_archive(path))
    if not present:
        raise UsageError(
            f"The model store {store} holds no .mar file", f"Build one with: foveal pack -o {store}/NAME.mar"
        )
    found: dict[str, str] = {}
    for file in models or present:
        if file not in present:
            raise UsageError(f"The model store {store} holds no {file!r}", nearest(file, present))
        name = model_name(store / file)
        if name in found:
            raise UsageError(
                f"{found[name]} and {file} both serve the model {name!r}", "Serve one of them with --models"
            )
        found[name] = file
    return found


def _own_metrics_file() -> Path:
    """Find the metrics.yaml that TorchServe uses where none is set."""
    spec = find_spec("ts")
    return Path(str(spec and spec.origin)).parent / "configs" / "metrics.yaml"


def _text(metrics: Path) -> str:
    """Read a metrics.yaml."""
    try:
        return metrics.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The file of metrics {metrics} cannot be read ({error})", "Mend metrics_config, or leave it out"
        ) from error


def _local(address: str) -> str:
    """Give the address under which this machine reaches one that TorchServe listens on."""
    host, port = host_and_port(address)
    unspecified = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared with, not listened on
    host = unspecified.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _scratch_folder() -> Path:
    """Make a folder whose path is short enough for unix sockets."""
    base = tempfile.gettempdir()
    short = base if len(base) <= _LONGEST_SCRATCH else "/tmp"  # noqa: S108 - mkdtemp makes a private folder
    return Path(tempfile.mkdtemp(prefix="foveal-ts-", dir=short)).resolve()
