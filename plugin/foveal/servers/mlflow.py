"""A local MLflow server: SQLite behind it, artifacts in a folder, one worker, a free port on loopback."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType

from foveal.errors import EnvironmentFault
from foveal.servers.http import answers
from foveal.servers.ports import LOOPBACK, free_port, require_free
from foveal.servers.process import ProcessGroup, wait_until

#: Nothing is reported home, no jobs run, and the server is not sent on to another one.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_NUM_THREADS": "1",
}
_LEFT_OUT = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_ARTIFACTS_DESTINATION",
)


class MlflowServer:
    """An MLflow tracking server that lives as long as the context.

    Parameters
    ----------
    folder
        Holds ``mlflow.db``, ``artifacts/`` and ``mlflow.log``; made where it is missing, kept afterwards.
    port
        Port on the loopback address; any free one where none is given.
    startup_seconds
        How long the server may take until it answers.

    Attributes
    ----------
    uri
        The tracking URI, while the server runs.
    """

    def __init__(self, folder: Path, port: int | None = None, startup_seconds: float = 120.0) -> None:
        self._folder = folder.resolve()
        self._port = port
        self._startup_seconds = startup_seconds
        self._group: ProcessGroup | None = None
        self.uri = ""

    def __enter__(self) -> MlflowServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises
        ------
        EnvironmentFault
            When the port is taken or the server does not come up; names the log's last line.
        """
        port = free_port() if self._port is None else require_free(self._port, "--mlflow-port")
        (self._folder / "artifacts").mkdir(parents=True, exist_ok=True)
        environ = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT} | _ENVIRONMENT
        self._group = ProcessGroup(self._command(port), environ, self._folder, self._folder / "mlflow.log")
        self.uri = f"http://{LOOPBACK}:{port}"
        try:
            wait_until(lambda: answers(f"{self.uri}/health"), self._group, self._startup_seconds, self._fault)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; the folder stays."""
        group, self._group = self._group, None
        if group is not None:
            group.stop()

    @property
    def database_uri(self) -> str:
        """The tracking URI for programs on this machine when the server does not run."""
        return f"sqlite:///{self._folder / 'mlflow.db'}"

    def running(self) -> bool:
        """Tell whether the server runs."""
        return self._group is not None and self._group.running()

    def _command(self, port: int) -> list[str]:
        """Give the command line of the server."""
        artifacts = (self._folder / "artifacts").as_uri()
        options = {
            "--backend-store-uri": self.database_uri,
            "--registry-store-uri": self.database_uri,
            "--artifacts-destination": artifacts,
            "--default-artifact-root": artifacts,  # else nothing could be read when the server has ended
            "--host": LOOPBACK,
            "--port": str(port),
            "--workers": "1",
        }
        return [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *(word for pair in options.items() for word in pair),
        ]

    def _fault(self, what: str) -> EnvironmentFault:
        """Make the error of a start that failed."""
        log = self._folder / "mlflow.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
        return EnvironmentFault(
            f"The local MLflow server {what} ({lines[-1].strip() if lines else 'its log is empty'})",
            f"Read {log}, or set MLFLOW_TRACKING_URI to a server that runs",
        )
