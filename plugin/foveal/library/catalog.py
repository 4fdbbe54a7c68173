"""The catalog: one local table of all entries without their crops, so that questions touch nothing else.

It is a DuckDB file in the cache folder. DuckDB and not SQLite, because it is asked for filters, counts and
orders over columns: a filtered count over a million entries takes ten milliseconds with no index to keep,
the file is a fifth of the size, and whole shards go in and answers come out as Arrow tables.

Everything in it comes from manifests and shards, so it may be deleted, damaged or outdated at any time: it is
brought up to date before each question and made anew where it cannot be read. DuckDB lets one process write
or several read. A lock beside the file, held for one question or one update, keeps them apart.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from foveal.errors import EnvironmentFault
from foveal.library import updating
from foveal.library.manifests import Shard
from foveal.library.shards import ShardStore, cache_folder
from foveal.library.tracking import Tracking
from foveal.library.units import Units

if TYPE_CHECKING:
    import duckdb

_FILE = "catalog.duckdb"
_LOCK = "catalog.lock"
#: How often a library that changes while it is read is looked at again.
_LOOKS = 5
#: Nothing is fetched from anywhere; threads and memory are few, a server works beside us. What does not fit
#: into the memory goes to a folder beside the catalog.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "2",
    "memory_limit": "128MB",
    "checkpoint_threshold": "64MB",  # at the default an update packs its rows time and again
}
_OVERFLOW = "overflow-"
_TOKEN = secrets.token_hex(4)

_T = TypeVar("_T")


class Catalog:
    """The catalog of one library.

    Parameters
    ----------
    tracking, store, units
        The library's run, its shards and the assignment in force.
    """

    def __init__(self, tracking: Tracking, store: ShardStore, units: Units) -> None:
        self._tracking, self._store, self._units = tracking, store, units
        self._shards: dict[str, Shard] = {}
        self._listed: dict[str, str] = {}
        #: Tells the content of the catalog at the last question from any other.
        self.state = ""

    def ask(self, question: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        """Answer a question about the library as it is now.

        Raises
        ------
        EnvironmentFault
            If MLflow fails, or a shard is gone or was changed.
        """
        import duckdb  # noqa: PLC0415 - a tenth of a second that a shipper need not spend

        try:
            return self._answer(question)
        except duckdb.Error:  # deleted or damaged: all of it is known elsewhere
            self.forget()
            return self._answer(question)

    def shards(self) -> list[Shard]:
        """Give the shards at the last question, earlier ones first."""
        return list(self._shards.values())

    def superseded(self, scope: int) -> dict[str, list[int]]:
        """Give the rows of each shard's samples that do not count in a scope."""
        text = "SELECT shard, list(place) FROM superseded WHERE scope = ? GROUP BY shard"
        return dict(self.ask(lambda connection: connection.execute(text, [scope]).fetchall()))

    def shard(self, name: str) -> Shard:
        """Give a shard that the last answer named."""
        return self._shards[name]

    def forget(self) -> None:
        """Delete the catalog and what is derived from it; the next question makes it anew."""
        self.state = ""
        with self._locked(fcntl.LOCK_EX):
            for path in self.folder.glob("*"):
                if path.name != _LOCK and path.suffix != ".parquet" and path.is_file():
                    path.unlink()

    def sync(self) -> None:
        """Bring the catalog up to date."""
        self.settled(self._follow)

    def settled(self, work: Callable[[], _T]) -> _T:
        """Read from shards, and do it again where the library has changed meanwhile and some are gone."""
        for _ in range(_LOOKS):
            try:
                return work()
            except EnvironmentFault:
                if self._store.listing() == self._listed:
                    raise
        return work()

    def _follow(self) -> None:
        self._listed = listing = self._store.listing()
        units = self._units.key()
        state = hashlib.sha256(json.dumps([listing, units], sort_keys=True).encode()).hexdigest()
        if state != self.state or not self._file.is_file():
            self._update(listing, state)
        self.state = state

    @cached_property
    def folder(self) -> Path:
        """Where the catalog and what is derived from it lie."""
        folder = cache_folder() / str(self._tracking.run().info.run_id)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / _LOCK).touch(mode=0o600)
        except OSError:  # nowhere to keep it: it lasts as long as this object
            self._scratch = tempfile.TemporaryDirectory(prefix="foveal-")
            return Path(self._scratch.name)
        return folder

    @property
    def _file(self) -> Path:
        return self.folder / _FILE

    def _answer(self, question: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        self.sync()
        with self._open(read_only=True) as connection:
            return question(connection)

    def _update(self, listing: dict[str, str], state: str) -> None:
        """Make the catalog what a listing says, unless another process has done so."""
        if self._file.is_file():
            with self._open(read_only=True) as connection:
                known = updating.state(connection)
                self._store.recall(updating.manifests(connection) if updating.is_ours(connection) else {})
        else:
            known = ""
        shards = self._store.shards(listing)
        if known != state:
            with self._open(read_only=False) as connection:
                updating.update(connection, listing, self._store, self._units, state)
            self._store.sweep(self.folder, shards)
        self._shards = {shard.name: shard for shard in shards}

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb  # noqa: PLC0415 - a tenth of a second that a shipper need not spend

        with self._locked(fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
            if not read_only:  # nobody else is at work: what is there a killed process left
                for left in self.folder.glob(f"{_OVERFLOW}*"):
                    shutil.rmtree(left, ignore_errors=True)
            with duckdb.connect(str(self._file), read_only=read_only, config=self._settings) as connection:
                yield connection

    @property
    def _settings(self) -> dict[str, str | bool | int | float | list[str]]:
        """Give the settings, the same for all threads of this process, as DuckDB wants them."""
        return {**_SETTINGS, "temp_directory": str(self.folder / f"{_OVERFLOW}{os.getpid()}-{_TOKEN}")}

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the catalog's lock; it ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)
