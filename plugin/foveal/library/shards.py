"""Shards: the immutable pieces of a library, and the manifests that make them count.

A shard is three artifacts: ``samples/NAME.parquet``, ``entries/NAME.parquet`` and, written last,
``manifests/NAME.json``. Without a whole manifest the other two do not count, so that writing a shard may be
cut off anywhere and done again. A shard holds one source, one model and one configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import schema
from foveal.library.tracking import Tracking
from foveal.records import Observation, Source
from foveal.spool.frame import encode_frame

Kind = Literal["samples", "entries"]
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class ShardConflictError(UsageError):
    """A shard of this name is there and holds other records."""


@dataclass(frozen=True)
class Added:
    """What was new to the library."""

    samples: int = 0
    entries: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(self.samples + other.samples, self.entries + other.entries)


@dataclass(frozen=True)
class Part:
    """One Parquet file of a shard."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """What a manifest says.

    Attributes
    ----------
    sequence
        How many shards the library held before: where a sample was recorded twice, the later one counts.
    content_sha256
        Hash of the records themselves, whatever version of pyarrow wrote the files.
    """

    name: str
    source: Source
    model_sha256: str
    config_sha256: str
    sequence: int
    content_sha256: str
    samples: Part
    entries: Part

    def path(self, kind: Kind) -> str:
        """Give the artifact path of a part."""
        return f"{kind}/{self.name}.parquet"

    def part(self, kind: Kind) -> Part:
        """Give one of the two parts."""
        return self.samples if kind == "samples" else self.entries

    def to_json(self) -> bytes:
        """Write the manifest."""
        return json.dumps({"version": _VERSION, **asdict(self)}, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Shard | None:
        """Read a manifest; nothing where its writing was cut off.

        Raises
        ------
        UsageError
            If a newer Foveal wrote it.
        """
        try:
            fields: dict[str, Any] = json.loads(content)
        except ValueError:
            return None
        if fields.pop("version") != _VERSION:
            raise UsageError("A newer Foveal wrote this library", "Update with: pip install -U foveal")
        parts = {kind: Part(**fields[kind]) for kind in ("samples", "entries")}
        return cls(**{**fields, **parts})


class ShardStore:
    """The shards of one library: written through MLflow, read through a local cache.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._known: dict[str, Shard] = {}
        self._verified: dict[str, Path] = {}

    def shards(self) -> list[Shard]:
        """List the shards that count, earlier ones first."""
        names = [name for name in self._tracking.names_in("manifests") if name.endswith(".json")]
        new = [name for name in names if name not in self._known]
        contents = self._tracking.read_all([f"manifests/{name}" for name in new])
        read = zip(new, map(Shard.from_json, contents), strict=True)
        self._known.update({name: shard for name, shard in read if shard is not None})
        present = (self._known[name] for name in names if name in self._known)
        return sorted(present, key=lambda shard: (shard.sequence, shard.name))

    def add(self, observations: Sequence[Observation], name: str) -> Added:
        """Write a shard; see :meth:`foveal.library.Library.add`."""
        check_file_name(name, "a shard")
        observations = _unrepeated(observations)
        if not observations:
            return Added()
        present = self.shards() if self._tracking.find() is not None else []
        content = content_sha256(observations)
        same = next((shard for shard in present if shard.name == name), None)
        if same is not None and same.content_sha256 != content:
            raise ShardConflictError(
                f"Shard {name!r} of library {self._tracking.name!r} already holds other records",
                "Add these under another name",
            )
        return Added() if same is not None else self._write(observations, name, content, len(present))

    def file(self, shard: Shard, kind: Kind) -> Path:
        """Give a part of a shard as a local file whose content is what the manifest says."""
        return self.artifact(shard.path(kind), shard.part(kind).sha256)

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
        folder = cache_folder() / str(self._tracking.run().info.run_id)
        cached = folder / f"{sha256}.parquet"
        if not cached.is_file():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                file = self._tracking.fetch(path, Path(scratch))
                self._verify(file, path, sha256)
                file.replace(cached)
        return cached

    def _verify(self, file: Path, path: str, sha256: str) -> None:
        try:
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:
            found = ""
        if found != sha256:
            raise EnvironmentFault(
                f"{path} of library {self._tracking.name!r} {'was changed' if found else 'is missing'}",
                "Bring it back from a backup of the MLflow store",
            )

    def _write(self, observations: Sequence[Observation], name: str, content: str, sequence: int) -> Added:
        first = observations[0].sample
        tables = {
            "samples": schema.samples_table(observations),
            "entries": schema.entries_table(observations),
        }
        files = {kind: schema.parquet_bytes(table) for kind, table in tables.items()}
        parts = {kind: Part(len(tables[kind]), hashlib.sha256(files[kind]).hexdigest()) for kind in tables}
        shard = Shard(name, first.source, first.model_sha256, first.config_sha256, sequence, content, **parts)
        for kind, file in files.items():
            self._tracking.put(f"{kind}/{name}.parquet", file)
        self._tracking.put(f"manifests/{name}.json", shard.to_json())
        self._known[f"{name}.json"] = shard
        return Added(shard.samples.rows, shard.entries.rows)


def content_sha256(observations: Iterable[Observation]) -> str:
    """Hash records by what they say."""
    total = hashlib.sha256()
    for observation in observations:
        total.update(encode_frame(observation))
    return total.hexdigest()


def cache_folder() -> Path:
    """Say where fetched shards are kept: ``FOVEAL_CACHE_DIR``, else a folder of the user's cache."""
    own = os.environ.get("FOVEAL_CACHE_DIR")
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(own) if own else shared / "foveal"


def _unrepeated(observations: Iterable[Observation]) -> list[Observation]:
    """Keep one observation per sample, the last: a server may run a request again after a crash."""
    kept = {_identity(observation): observation for observation in observations}
    held = {(o.sample.source, o.sample.model_sha256, o.sample.config_sha256) for o in kept.values()}
    if len(held) > 1:
        raise UsageError(
            "Records of several sources, models or configurations cannot share a shard",
            "Add them in groups, each under a name of its own",
        )
    return list(kept.values())


def _identity(observation: Observation) -> tuple[str, int, str]:
    return (observation.sample.sample, observation.sample.row, observation.sample.sample_sha256)


def check_file_name(name: str, what: str) -> None:
    """Raise a `UsageError` where a name could leave its artifact folder or be no file's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name {what}", "Use letters, digits, '_', '-' and '.', at most 200")
