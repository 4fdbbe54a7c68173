"""Where else erased samples may show: bundles of audits, on this machine and in MLflow.

What a bundle is and how one is redacted is the audit's business; it offers a function under the entry point
group ``foveal.redactors``.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveal.errors import EnvironmentFault, FovealError
from foveal.library.tracking import ROLE_TAG, Tracking
from foveal.library.tracking import _local_folder as local_folder

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

GROUP = "foveal.redactors"
ROLE = "audit"
#: Of an audit's run: where else its bundle was put, as pairs of run and folder.
COPIES_TAG = "foveal.copies"


@dataclass(frozen=True)
class Erased:
    """What a redactor is told.

    Attributes
    ----------
    erasure, when
        The erasure's id and time.
    run_id
        The library's run.
    stale
        Hashes of the shards that held what is erased: a bundle made from one of them is concerned.
    names
        Names of erased samples, as far as they are still known.
    features
        Features of the erased entries, as they were recorded.
    holds
        Says of a source and a name whether the library still holds such a sample.
    """

    erasure: str
    when: str
    run_id: str
    stale: frozenset[str]
    names: frozenset[str]
    features: frozenset[str]
    holds: Callable[[str, str], bool]


@dataclass
class Redacted:
    """What became of one bundle: its files, with their hashes before and after, and generators to retrain."""

    files: dict[str, dict[str, str | None]] = field(default_factory=dict)
    generators: list[str] = field(default_factory=list)


Redactor = Callable[[Path, Erased], Redacted | None]


def redact(bundle: Path, erased: Erased) -> Redacted | None:
    """Take what is erased out of a bundle; gives nothing where it is not concerned.

    Raises
    ------
    EnvironmentFault
        If the audit is not installed here, or its parts are missing.
    """
    for point in entry_points(group=GROUP):
        try:
            redactor: Redactor = point.load()
        except ImportError as error:
            raise _missing(bundle) from error
        return redactor(bundle, erased)
    raise _missing(bundle)


class AuditRuns:
    """The bundles that were logged to MLflow, also those of runs that were deleted: MLflow keeps their files.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def redact(self, erased: Erased) -> Iterator[tuple[str, Redacted | FovealError]]:
        """Redact each bundle; gives where it is with what became of it, where it is concerned."""
        for place, uri in self._places():
            try:
                redacted = self._redact(uri, erased)
            except FovealError as fault:
                yield place, fault
            else:
                if redacted is not None:
                    yield place, redacted

    def _places(self) -> Iterator[tuple[str, str]]:
        """Name every bundle with the address of its files: the audit's own, and copies in other runs."""
        for run in self._runs():
            yield f"run {run.info.run_id}", str(run.info.artifact_uri)
            for run_id, folder in json.loads(run.data.tags.get(COPIES_TAG, "[]")):
                with self._tracking.connection.asking() as client:
                    uri = str(client.get_run(run_id).info.artifact_uri)
                yield f"run {run_id}/{folder}", f"{uri.rstrip('/')}/{folder}"

    def _runs(self) -> list[Run]:
        from mlflow.entities import ViewType  # noqa: PLC0415 - takes seconds

        own = self._tracking.run().info.experiment_id
        with self._tracking.connection.asking() as client:
            every = [each.experiment_id for each in client.search_experiments(view_type=ViewType.ALL)]
            audits = f"tags.`{ROLE_TAG}` = '{ROLE}'"
            found = client.search_runs(every, audits, run_view_type=ViewType.ALL)
        name = self._tracking.name
        return [r for r in found if r.info.experiment_id == own or r.data.tags.get("foveal.library") == name]

    def _redact(self, uri: str, erased: Erased) -> Redacted | None:
        folder = local_folder(uri)
        if folder is not None:
            return redact(folder, erased) if folder.is_dir() else None
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - takes seconds
            get_artifact_repository,
        )

        connection = self._tracking.connection
        with tempfile.TemporaryDirectory(prefix="foveal-") as scratch, connection.moving():
            store = get_artifact_repository(uri, tracking_uri=connection.uri)
            copy = Path(store.download_artifacts("", scratch))  # type: ignore[no-untyped-call]
            before = _hashes(copy)
            redacted = redact(copy, erased)
            _bring_back(store, copy, before)
        return redacted


def _bring_back(store: ArtifactRepository, copy: Path, before: Mapping[str, str]) -> None:
    """Make the store hold what the copy holds now; the record of it goes first."""
    after = _hashes(copy)
    changed = [path for path, sha256 in after.items() if before.get(path) != sha256]
    for path in sorted(changed, key=lambda path: (path in before, path)):
        folder = path.rpartition("/")[0]
        store.log_artifact(str(copy / path), folder or None)  # type: ignore[no-untyped-call]
    for path in sorted(set(before) - set(after)):
        store.delete_artifacts(path)  # type: ignore[no-untyped-call]


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _missing(bundle: Any) -> EnvironmentFault:  # noqa: ANN401 - anything that names it
    return EnvironmentFault(
        f"Bundle '{bundle}' cannot be redacted: the audit's parts are not installed",
        "Install them with: pip install 'foveal[audit]'",
    )
