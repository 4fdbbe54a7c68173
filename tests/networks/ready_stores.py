"""An empty tracking store, made once on a machine: MLflow takes seconds to make its tables, each time.

What lies there is what MLflow itself made, but for the experiment `Default`, which names a folder: who opens
the copy makes that anew. That MLflow begins without any file is shown where servers and commands begin in an
empty folder: the README's commands, `foveal serve`, the tests of the tracking side.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from foveal.servers.mlflow import MlflowServer

_KEPT = Path(tempfile.gettempdir()) / f"foveal-tests-{os.getuid()}"
#: What MLflow writes beside its tables when it opens a store.
_OWN_EXPERIMENT = ("experiment_tags", "experiments")


def ready_store(file: Path) -> str:
    """Put an empty store where there is none, and give its URI."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        shutil.copyfile(_empty(), file)
    return f"sqlite:///{file}"


def ready_server(folder: Path, port: int | None = None) -> MlflowServer:
    """Give a server, not started, whose store is there."""
    ready_store(folder / "mlflow.db")
    return MlflowServer(folder, port)


@lru_cache(maxsize=1)
def _empty() -> Path:
    kept = _KEPT / f"mlflow-{version('mlflow')}.db"
    _KEPT.mkdir(mode=0o700, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            part = kept.with_suffix(".part")
            part.unlink(missing_ok=True)
            _make(part)
            part.replace(kept)
    return kept


def _make(file: Path) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - two seconds that most sessions need anyway

    from foveal.library.connection import quiet  # noqa: PLC0415

    quiet()
    MlflowClient(f"sqlite:///{file}").search_experiments(max_results=1)
    with sqlite3.connect(file) as database:
        for table in _OWN_EXPERIMENT:
            database.execute(f"DELETE FROM {table}")
    database.close()
