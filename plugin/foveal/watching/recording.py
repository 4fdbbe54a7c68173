"""Where looks are kept: in the active MLflow run, in a folder, or both."""

from __future__ import annotations

import math
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.errors import EnvironmentFault, UsageError
from foveal.library.connection import Connection

if TYPE_CHECKING:
    from mlflow.entities import Run

#: Artifact folder of the run that everything goes to.
FOLDER = "foveal/watch"
#: What metrics are called: this and the measure's name.
PREFIX = "foveal.attention."


class Recording:
    """Keeps files and numbers. A store that fails is told once and does not stop the training.

    Parameters
    ----------
    out
        A folder for the files as well; without one there must be an active MLflow run.
    """

    def __init__(self, out: Path | None = None) -> None:
        self._out = out
        self._connections: dict[str, Connection] = {}
        self._warned = False

    def check(self) -> None:
        """Raise a UsageError where neither a folder was given nor an MLflow run is active."""
        if self._out is None and self._run() is None:
            raise UsageError(
                "No MLflow run is active to record what the network looks at",
                "Call this inside mlflow.start_run(), or give Watch a folder with out=",
            )

    def put(self, name: str, content: bytes) -> None:
        """Keep a file, replacing one of the same name."""
        if self._out is not None:
            target = self._out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        run = self._run()
        if run is None:
            return
        folder, _, plain = f"{FOLDER}/{name}".rpartition("/")
        try:
            with tempfile.TemporaryDirectory(prefix="foveal-") as scratch, self._mlflow().moving() as client:
                file = Path(scratch) / plain
                file.write_bytes(content)
                client.log_artifact(run.info.run_id, str(file), folder)
        except EnvironmentFault as fault:
            self._warn(fault)

    def measure(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep numbers of an epoch as metrics; those that are not finite are left out."""
        run = self._run()
        if run is None:
            return
        try:
            with self._mlflow().asking() as client:
                for name, value in values.items():
                    if math.isfinite(value):
                        client.log_metric(run.info.run_id, PREFIX + name, value, step=epoch)
        except EnvironmentFault as fault:
            self._warn(fault)

    def _run(self) -> Run | None:
        """Give the active run; a process that has not loaded MLflow has none."""
        if self._out is not None and "mlflow" not in sys.modules:
            return None
        import mlflow  # noqa: PLC0415 - takes seconds, and a folder does without

        run: Run | None = mlflow.active_run()
        return run

    def _mlflow(self) -> Connection:
        """Give a connection to where the active run is."""
        import mlflow  # noqa: PLC0415

        uri = str(mlflow.get_tracking_uri())
        if uri not in self._connections:
            self._connections[uri] = Connection(uri)
        return self._connections[uri]

    def _warn(self, fault: EnvironmentFault) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"{fault} The training goes on unrecorded.", stacklevel=4)
