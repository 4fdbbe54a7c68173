"""Shards: the immutable pieces of a library, and the manifests that make them count.

A shard is three artifacts: ``samples/NAME.parquet``, ``entries/NAME.parquet`` and, written last,
``manifests/NAME.json``. Without a whole manifest the other two do not count, so that writing a shard may be
cut off anywhere and done again. A shard holds one source, one model and one configuration.

A manifest may name shards that its own replaces: these do not count any more, whether their files are still
there or not. ``replaced/NAME.json`` keeps the hash of what such a shard held, so that somebody who adds it
again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from foveal.errors import EnvironmentFault, UsageError
from foveal.library.made import Held, Made, held_by, only
from foveal.library.manifests import KINDS, Added, Draft, Kind, Shard, counting, part_path
from foveal.library.sequences import Sequences
from foveal.library.tracking import Tracking
from foveal.records import Observation

_MANIFESTS, _REPLACED = "manifests", "replaced"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class ShardConflictError(UsageError):
    """A shard of this name is there and holds other records."""


class _Manifest(NamedTuple):
    """A manifest's file as it was read; without a shard where its writing was cut off."""

    signature: str
    content: bytes
    shard: Shard | None


class ShardStore:
    """The shards of one library: written through MLflow, read through a local cache.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._sequences = Sequences(tracking, self.shards)
        self._manifests: dict[str, _Manifest] = {}
        self._verified: dict[str, Path] = {}

    def listing(self) -> dict[str, str]:
        """List the manifests' files, each with what tells it from another of its name."""
        found = self._tracking.listing(_MANIFESTS)
        return {name: signature for name, signature in found.items() if name.endswith(".json")}

    def shards(self, listing: Mapping[str, str] | None = None) -> list[Shard]:
        """List the shards that count, earlier ones first; those of a listing where one is given."""
        listing = self.listing() if listing is None else listing
        new = [name for name, signature in listing.items() if self._signature(name) != signature]
        contents = self._tracking.read_all([f"{_MANIFESTS}/{name}" for name in new])
        self.recall({name: (listing[name], content) for name, content in zip(new, contents, strict=True)})
        present = (self._manifests[name].shard for name in listing if name in self._manifests)
        return counting(shard for shard in present if shard is not None)

    def recall(self, manifests: Mapping[str, tuple[str, bytes]]) -> None:
        """Take manifests as read: file to signature and content."""
        for name, (signature, content) in manifests.items():
            if self._signature(name) != signature:
                self._manifests[name] = _Manifest(signature, content, Shard.from_json(content))

    def recorded(self, listing: Mapping[str, str]) -> pa.Table:
        """Give the whole manifests of a listing as read: ``file``, ``signature`` and ``content``."""
        read = {name: self._manifests[name] for name in listing if name in self._manifests}
        whole = {name: known for name, known in read.items() if known.shard is not None}
        columns = {
            "file": pa.array(whole, pa.string()),
            "signature": pa.array([known.signature for known in whole.values()], pa.string()),
            "content": pa.array([known.content for known in whole.values()], pa.binary()),
        }
        return pa.table(columns)

    def sweep(self, folder: Path, present: Iterable[Shard]) -> None:
        """Delete from a cache what was fetched of shards that are gone."""
        kept = {shard.part(kind).sha256 for shard in present for kind in KINDS}
        known = [manifest.shard for manifest in self._manifests.values() if manifest.shard is not None]
        for sha256 in {shard.part(kind).sha256 for shard in known for kind in KINDS} - kept:
            self._verified.pop(sha256, None)
            (folder / f"{sha256}.parquet").unlink(missing_ok=True)

    def open(self, shard: Shard, kind: Kind) -> Path:
        """Give a part of a shard as a local file whose content the caller checks, as far as it is used."""
        local = self._tracking.local(shard.path(kind))
        if local is None:
            return self.file(shard, kind)
        if not local.is_file():
            raise self._fault(shard.path(kind), "is missing")
        return local

    def reject(self, shard: Shard, kind: Kind) -> EnvironmentFault:
        """Drop a part whose content is wrong from the cache, and give the error to raise."""
        sha256 = shard.part(kind).sha256
        self._verified.pop(sha256, None)
        if self._tracking.local(shard.path(kind)) is None:
            self._cache_file(sha256).unlink(missing_ok=True)
        return self._fault(shard.path(kind), "was changed")

    def add(self, made: Made, name: str) -> Added:
        """Write a shard; see :meth:`foveal.library.Library.add`."""
        check_file_name(name, "a shard")
        held, content = made.held, made.content_sha256
        if held is None or self._holds(name, content):
            return Added()
        shard = self._write(made, name, lambda: Draft(name, *held, self._sequences.reserve(name), content))
        return Added(shard.samples.rows, shard.entries.rows)

    def replace(self, old: Sequence[Shard], observations: Sequence[Observation], name: str) -> Shard:
        """Put one shard in the place of others.

        Cut off anywhere, either the old ones count or the new one does; doing it again finishes what is left.
        The new shard stands where the latest of the old ones stood: the old ones have to be neighbours in
        the order of :meth:`shards`, or their samples be in no other shard.

        Parameters
        ----------
        old
            Shards of one source, model and configuration; they and their files are gone afterwards.
        observations
            What counts of them from now on; there may be none.
        name
            The new shard's name.

        Returns
        -------
        Shard
            The new shard.

        Raises
        ------
        UsageError
            If the shards are of several kinds, or the name is taken by other records.
        """
        check_file_name(name, "a shard")
        made = Made(observations)
        held, content = _held_by(old, made), made.content_sha256
        shard = self._present(name)
        if shard is None:
            sequence = max(shard.sequence for shard in old)
            draft = Draft(name, *held, sequence, content, self._replaced_by(old))
            shard = self._write(made, name, lambda: draft)
        elif (shard.content_sha256, set(shard.replaces) >= {each.name for each in old}) != (content, True):
            raise self._conflict(name)
        self.discard(old, shard)
        return shard

    def file(self, shard: Shard, kind: Kind) -> Path:
        """Give a part of a shard as a local file whose content is what the manifest says."""
        return self.artifact(shard.path(kind), shard.part(kind).sha256)

    def files(self, shards: Sequence[Shard], kind: Kind) -> list[Path]:
        """Give the same part of several shards, fetched several at a time."""
        with self.moving(), ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda shard: self.file(shard, kind), shards))

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Be patient with MLflow while several threads ask: each would undo the others' settings."""
        with self._tracking.connection.moving():
            yield

    def artifact(self, path: str, sha256: str) -> Path:
        """Give an artifact as a local file of known content.

        Raises
        ------
        EnvironmentFault
            If it is gone or was changed.
        """
        if sha256 not in self._verified:
            self._verified[sha256] = self._local(path, sha256) or self._cached(path, sha256)
        return self._verified[sha256]

    def _local(self, path: str, sha256: str) -> Path | None:
        file = self._tracking.local(path)
        if file is not None:
            self._verify(file, path, sha256)
        return file

    def _cached(self, path: str, sha256: str) -> Path:
        cached = self._cache_file(sha256)
        if not cached.is_file() or _sha256(cached) != sha256:
            cached.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
                file = self._tracking.fetch(path, Path(scratch))
                self._verify(file, path, sha256)
                file.replace(cached)
        return cached

    def _cache_file(self, sha256: str) -> Path:
        return cache_folder() / str(self._tracking.run().info.run_id) / f"{sha256}.parquet"

    def _verify(self, file: Path, path: str, sha256: str) -> None:
        found = _sha256(file) if file.is_file() else ""
        if found != sha256:
            raise self._fault(path, "was changed" if found else "is missing")

    def _fault(self, path: str, what: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"{path} of library {self._tracking.name!r} {what}",
            "Bring it back from a backup of the MLflow store",
        )

    def _signature(self, name: str) -> str | None:
        known = self._manifests.get(name)
        return None if known is None else known.signature

    def _present(self, name: str) -> Shard | None:
        content = self._tracking.peek(f"{_MANIFESTS}/{name}.json") if self._tracking.find() else None
        return None if content is None else Shard.from_json(content)

    def _holds(self, name: str, content: str) -> bool:
        """Say whether these records are there, or were there and have been replaced since."""
        present = self._present(name)
        known = present.content_sha256 if present is not None else self._replaced(name)
        if known not in (None, content):
            raise self._conflict(name)
        return known is not None

    def _replaced(self, name: str) -> str | None:
        """Give the hash of the records that once were under a name."""
        note = self._tracking.peek(f"{_REPLACED}/{name}.json") if self._tracking.find() else None
        return None if note is None else str(json.loads(note)["content_sha256"])

    def _conflict(self, name: str) -> ShardConflictError:
        return ShardConflictError(
            f"Shard {name!r} of library {self._tracking.name!r} already holds other records",
            "Add these under another name",
        )

    def _replaced_by(self, old: Sequence[Shard]) -> tuple[str, ...]:
        """Name the old shards, and those replaced by them whose manifests somebody failed to delete."""
        present = {name.removesuffix(".json") for name in self._tracking.names_in(_MANIFESTS)}
        inherited = {name for shard in old for name in shard.replaces}
        return tuple(sorted({shard.name for shard in old} | (inherited & present)))

    def discard(self, old: Sequence[Shard], new: Shard) -> None:
        """Delete replaced shards, the files first: as long as a manifest is there, what is left is known."""
        for shard in old:
            note = {"by": new.name, "content_sha256": shard.content_sha256}
            self._tracking.put(f"{_REPLACED}/{shard.name}.json", json.dumps(note, sort_keys=True).encode())
            for kind in KINDS:
                self._tracking.delete(shard.path(kind))
            self._tracking.delete(f"{_MANIFESTS}/{shard.name}.json")

    def _write(self, made: Made, name: str, draft: Callable[[], Draft]) -> Shard:
        """Write the files, drafting the manifest meanwhile, and the manifest when they are there."""
        self._tracking.make()
        with self.moving(), ThreadPoolExecutor(max_workers=1) as pool:
            drafted = pool.submit(draft)
            self._tracking.put_all({part_path(kind, name): file for kind, file in made.files.items()})
            shard = drafted.result().shard(made.parts["samples"], made.parts["entries"])
            self._tracking.put(f"{_MANIFESTS}/{name}.json", shard.to_json())
        return shard


def _sha256(file: Path) -> str:
    total = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            total.update(piece)
    return total.hexdigest()


def cache_folder() -> Path:
    """Say where fetched shards are kept: ``FOVEAL_CACHE_DIR``, else a folder of the user's cache."""
    own = os.environ.get("FOVEAL_CACHE_DIR")
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(own) if own else shared / "foveal"


def _held_by(old: Sequence[Shard], made: Made) -> Held:
    """Give what old shards and the records in their place have in common."""
    return only([*map(held_by, old), *([made.held] if made.held else [])])


def check_file_name(name: str, what: str) -> None:
    """Raise a `UsageError` where a name could leave its artifact folder or be no file's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name {what}", "Use letters, digits, '_', '-' and '.', at most 200")
