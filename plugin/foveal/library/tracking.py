"""The MLflow side of a library: one experiment, one run, its tags and artifacts."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from foveal.errors import EnvironmentFault, UsageError, nearest
from foveal.library import wire
from foveal.library.connection import Connection, mask_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

#: A library is the MLflow experiment of this name and its own.
PREFIX = "foveal/"
ROLE_TAG = "foveal.role"
#: The last shard's number and name; there from the start, since MLflow fails where two make a tag at once.
SEQUENCE_TAG = "foveal.sequence"
FIRST_SEQUENCE = '{"number": -1, "shard": ""}'
NOTE_TAG = "mlflow.note.content"


class Tracking:
    """One library's experiment and run.

    Nothing is asked and nothing is made before it is needed; only :meth:`put` and :meth:`tag` make what is
    not there yet.

    Parameters
    ----------
    name
        The library's name.
    connection
        Where its experiment is.

    Raises
    ------
    UsageError
        If the name cannot be one.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = _checked(name)
        self.connection = connection
        self._known: Run | None = None

    def run(self) -> Run:
        """Give the library's run.

        Raises
        ------
        UsageError
            If there is no such library, naming those that are most alike.
        EnvironmentFault
            If MLflow cannot be reached; so do all other methods.
        """
        run = self.find()
        if run is None:
            with self.connection.asking() as client:
                known = library_names(client)
            raise UsageError(
                f"No library {self.name!r} at {self.connection.place}", nearest(self.name, known)
            )
        return run

    def find(self) -> Run | None:
        """Give the library's run, or nothing where there is no such library."""
        if self._known is None:
            with self.connection.asking() as client:
                self._known = self._look(client)
        return self._known

    @property
    def url(self) -> str:
        """Where to look at the run: MLflow's page, or without a server the folder of its artifacts."""
        info = self.run().info
        if urlsplit(self.connection.uri).scheme not in ("http", "https"):
            return mask_credentials(str(info.artifact_uri))
        return f"{self.connection.place.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{info.run_id}"

    def names_in(self, folder: str) -> list[str]:
        """List the names of the files in an artifact folder; none where there is no such folder."""
        return sorted(self.listing(folder))

    def make(self) -> None:
        """Make the library where it is not there yet."""
        if self.find() is None:
            self._make()

    def put_all(self, contents: Mapping[str, bytes | memoryview]) -> None:
        """Write several artifacts at the same time; see :meth:`put`."""
        self.make()
        with self.connection.moving(), ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(self.put, contents, contents.values()))

    def listing(self, folder: str) -> dict[str, str]:
        """List the files of an artifact folder by name, each with what tells it from another of that name."""
        local = self.local(folder)
        if local is not None:
            return _signatures(local)
        with self.connection.asking():
            found = self._repository.list_artifacts(folder)
        return {item.path.rsplit("/", 1)[-1]: str(item.file_size) for item in found if not item.is_dir}

    def put(self, path: str, content: bytes | memoryview) -> None:
        """Write an artifact, replacing one of the same path.

        Where it lies on this machine it is on the disk, not only with the kernel, when this returns.
        """
        self.make()
        with self.connection.moving():
            wire.send(self._repository, path, content)
        local = self.local(path)
        if local is not None:
            _sync(local, 1 + path.count("/"))

    def local(self, path: str) -> Path | None:
        """Say where an artifact lies, if it lies on this machine; it may be missing there."""
        folder = _local_folder(str(self.run().info.artifact_uri))
        return None if folder is None else folder / path

    def fetch(self, path: str, into: Path) -> Path:
        """Copy an artifact into a folder of this machine."""
        file = into / path.rsplit("/", 1)[-1]
        with self.connection.moving():
            self._repository._download_file(path, str(file))  # what MLflow's own loop over folders calls
        return file

    def read(self, path: str) -> bytes:
        """Read a small artifact."""
        local = self.local(path)
        if local is not None:
            return local.read_bytes()
        try:
            with self.connection.moving():
                return wire.receive(self._repository, path)
        except wire.MissingError:
            fault = f"{path} of library {self.name!r} is missing"
            raise EnvironmentFault(fault, "Bring it back from a backup of the MLflow store") from None

    def peek(self, path: str) -> bytes | None:
        """Read a small artifact, or nothing where there is none; its folder is listed only if need be."""
        local = self.local(path)
        if local is not None:
            return local.read_bytes() if local.is_file() else None
        try:
            with self.connection.trying():
                return wire.receive(self._repository, path)
        except wire.MissingError:
            return None
        except EnvironmentFault:  # some stores answer for what is not there with an error like any other
            folder, name = path.rsplit("/", 1)
            return self.read(path) if name in self.names_in(folder) else None

    def delete(self, path: str) -> None:
        """Delete an artifact; one that is not there is deleted already."""
        local = self.local(path)
        if local is None:
            with self.connection.moving():
                self._repository.delete_artifacts(path)
            return
        with suppress(FileNotFoundError):
            local.unlink()
            _sync_one(local.parent)

    def read_all(self, paths: Sequence[str]) -> list[bytes]:
        """Read many small artifacts, several at a time."""
        with self.connection.moving(), ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(self.read, paths))

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""
        run_id = (self.find() or self._make()).info.run_id
        with self.connection.asking() as client:
            client.set_tag(run_id, key, value)

    def log_dataset(self, name: str, digest: str, source_type: str, source: str) -> None:
        """Show a data set on the run's page; the same one again changes nothing."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 - takes seconds

        shown = DatasetInput(
            Dataset(name, digest, source_type, source), [InputTag("mlflow.data.context", "feature library")]
        )
        try:
            self._log_input(shown)
        except EnvironmentFault:  # of two at once MLflow may refuse one; the same again is known by then
            self._log_input(shown)

    def _log_input(self, shown: DatasetInput) -> None:
        run_id = self.run().info.run_id
        with self.connection.asking() as client:
            client.log_inputs(run_id, [shown])

    def tags(self) -> Mapping[str, str]:
        """Give the run's tags as they are now."""
        run_id = self.run().info.run_id
        with self.connection.asking() as client:
            return dict(client.get_run(run_id).data.tags)

    @cached_property
    def _repository(self) -> Any:  # noqa: ANN401 - an ArtifactRepository, without type information
        """MLflow's way to the files; its client would ask for the run and list folders with every file."""
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - takes seconds
            get_artifact_repository,
        )

        uri = str(self.run().info.artifact_uri)
        return get_artifact_repository(uri, tracking_uri=self.connection.uri)

    @property
    def _experiment_name(self) -> str:
        return PREFIX + self.name

    def _look(self, client: MlflowClient) -> Run | None:
        experiment = client.get_experiment_by_name(self._experiment_name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            raise UsageError(
                f"Library {self.name!r} was deleted at {self.connection.place}",
                f"Run `mlflow experiments restore -x {experiment.experiment_id}`, or choose another name",
            )
        runs = client.search_runs([experiment.experiment_id], f"tags.`{ROLE_TAG}` = 'library'")
        return min(runs, key=lambda run: (run.info.start_time, run.info.run_id), default=None)

    def _make(self) -> Run:
        """Make the experiment and its run. Of several processes at once, one makes them and all find them."""
        with self.connection.asking() as client:
            made = _make_experiment(client, self._experiment_name)
            if made or not self._appears():
                self._make_run(client)
        run = self.find()
        if run is None:
            raise EnvironmentFault(
                f"MLflow at {self.connection.place} does not keep what it is given",
                "Look into its log, then run this again",
            )
        return run

    def _appears(self) -> bool:
        """Give the process that made the experiment a moment to make its run too."""
        for _ in range(20):
            if self.find() is not None:
                return True
            time.sleep(0.1)
        return False

    def _make_run(self, client: MlflowClient) -> None:
        experiment: Any = client.get_experiment_by_name(self._experiment_name)
        tags = {ROLE_TAG: "library", "foveal.library": self.name, SEQUENCE_TAG: FIRST_SEQUENCE}
        run = client.create_run(experiment.experiment_id, tags=tags, run_name=self.name)
        client.set_terminated(run.info.run_id)  # nothing is running; artifacts may be added all the same


def library_names(client: MlflowClient) -> list[str]:
    """List the names of all libraries, sorted."""
    found: list[str] = []
    page: Any = None
    while page is None or page.token:
        page = client.search_experiments(
            filter_string=f"name LIKE '{PREFIX}%'", page_token=page.token if page is not None else None
        )
        found += [experiment.name.removeprefix(PREFIX) for experiment in page]
    return sorted(found)


def _make_experiment(client: MlflowClient, name: str) -> bool:
    """Make an experiment; say no where another process was faster."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds

    try:
        client.create_experiment(name, tags={ROLE_TAG: "library"})
    except MlflowException as fault:
        if fault.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _checked(name: str) -> str:
    if name.strip() != name or not name or not name.isprintable():
        raise UsageError(f"{name!r} cannot name a library", "Give a name of printable characters")
    return name


def _signatures(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as found:
        stats = {entry.name: entry.stat() for entry in found if entry.is_file()}
    return {name: f"{stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items()}


def _sync(file: Path, folders: int) -> None:
    """Wait until a file and its name are on the disk, and the names of so many folders around it."""
    for path in (file, *list(file.parents)[:folders]):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _local_folder(uri: str) -> Path | None:
    """Give the folder behind an artifact URI where it is on this machine."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None
