"""Verifying a library: whether everything that its manifests name is there, whole, and fits together."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from foveal.errors import EnvironmentFault, FovealError, UsageError
from foveal.library.content import tables_sha256
from foveal.library.manifests import KINDS, Kind, Shard
from foveal.library.schema import ENTRIES, SAMPLES, stored
from foveal.library.shelves import observations_of
from foveal.library.units import Units
from foveal.records import entry_id
from foveal.samples.arrays import MAGIC, decode_crop

if TYPE_CHECKING:
    from foveal.library.store import Library

_RESTORE = "Bring it back from a backup of the MLflow store"
_AGAIN = "Ship or collect it again, or bring it back from a backup of the MLflow store"
#: More windows than any map has.
_RANKS = 64
#: What a broken picture can raise when it is opened.
_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)

#: Told how many shards are checked and how many there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Finding:
    """What does not hold: where, what is wrong, and what to do about it."""

    place: str
    fault: str
    mend: str


@dataclass
class Verified:
    """What was checked, and what does not hold."""

    shards: int = 0
    samples: int = 0
    entries: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(library: Library, deep: bool = False, progress: Progress | None = None) -> Verified:
    """Check a library.

    Parameters
    ----------
    library
        The library.
    deep
        Also decode every crop and recompute the hash of all records.
    progress
        Called after each shard.

    Raises
    ------
    UsageError
        If there is no such library.
    EnvironmentFault
        If MLflow cannot be reached.
    """
    done = Verified()
    shards = library.store.shards()
    done.findings += _cut_manifests(library, shards)
    named = _Named(library)
    for number, shard in enumerate(shards, start=1):
        done.findings += _shard(library, shard, deep, named)
        done.shards += 1
        done.samples += shard.samples.rows
        done.entries += shard.entries.rows
        if progress is not None:
            progress(number, len(shards))
    done.findings += [*_unreferenced(library, shards), *named.findings()]
    return done


def _cut_manifests(library: Library, shards: list[Shard]) -> Iterator[Finding]:
    """Find manifests whose writing was cut off, or that are of a replaced shard still to be deleted."""
    good = {shard.name for shard in shards}
    replaced = {name for shard in shards for name in shard.replaces}
    for name in library.tracking.names_in("manifests"):
        stem = name.removesuffix(".json")
        if stem in replaced:
            yield Finding(
                f"manifests/{name}", "is replaced and not deleted yet", "Run: foveal library compact"
            )
        elif stem not in good:
            yield Finding(f"manifests/{name}", "cannot be read, its shard does not count", _AGAIN)


def _shard(library: Library, shard: Shard, deep: bool, named: _Named) -> Iterator[Finding]:
    """Check a shard's files, and where they are whole what they say."""
    tables: dict[Kind, pa.Table] = {}
    for kind in KINDS:
        path = shard.path(kind)
        content = library.tracking.peek(path)
        if content is None:
            yield Finding(path, "is missing", _RESTORE)
        elif hashlib.sha256(content).hexdigest() != shard.part(kind).sha256:
            yield Finding(path, "was changed", _RESTORE)
        else:
            try:
                tables[kind] = pq.read_table(io.BytesIO(content))
            except (pa.ArrowException, OSError):
                yield Finding(path, "is no Parquet file", _RESTORE)
    if len(tables) == len(KINDS):
        yield from _records(shard, tables["samples"], tables["entries"])
        named.see(tables["entries"]["id"])
        if deep:
            yield from _deep(library, shard, tables)


def _records(shard: Shard, samples: pa.Table, entries: pa.Table) -> Iterator[Finding]:
    """Check that the two tables of a shard fit each other and the manifest."""
    for kind, table in (("samples", samples), ("entries", entries)):
        rows = shard.part(kind).rows  # type: ignore[arg-type] # the two kinds there are
        if len(table) != rows:
            yield Finding(f"{kind}/{shard.name}.parquet", f"holds {len(table)} rows, not {rows}", _RESTORE)
    path = shard.path("entries")
    at = entries["sample_at"]
    if len(entries) and not (pc.min(at).as_py() >= 0 and pc.max(at).as_py() < len(samples)):
        yield Finding(path, "has entries of samples that are not there", _RESTORE)
        return
    for name in ("sample", "row", "source", "sample_sha256", "model_sha256", "config_sha256"):
        if len(entries) and not pc.all(pc.equal(samples[name].take(at), entries[name])).as_py():
            yield Finding(path, f"has entries whose {name} is not that of their sample", _RESTORE)
    if pc.count_distinct(entries["id"]).as_py() != len(entries):
        yield Finding(path, "has two entries of one id", _RESTORE)
    strange = list(_strange(entries))
    if strange:
        yield Finding(path, f"has {len(strange):,} entries of a wrong id, such as {strange[0]}", _RESTORE)


def _strange(entries: pa.Table) -> Iterator[str]:
    """Find ids that are not made of their sample, feature and model."""
    names = ("id", "sample", "row", "feature", "model_sha256", "source", "sample_sha256")
    for key, sample, row, feature, model, *file in zip(*(entries[n].to_pylist() for n in names), strict=True):
        keys = (sample, "\0".join((file[0], sample, file[1])))
        made = (entry_id(one, row, feature, rank, model) for rank in range(_RANKS) for one in keys)
        if key not in made and "\\" not in sample:  # escapes stand for bytes that the id was made of
            yield key


def _deep(library: Library, shard: Shard, tables: dict[Kind, pa.Table]) -> Iterator[Finding]:
    """Check every crop and the hash of the records."""
    entries = tables["entries"]
    for key, crop in zip(entries["id"], entries["crop"], strict=True):
        if not _decodes(crop.as_py()):
            yield Finding(shard.path("entries"), f"the crop of entry {key} cannot be decoded", _AGAIN)
    try:
        observations_of(library, shard)
    except (FovealError, KeyError, ValueError, TypeError) as fault:
        yield Finding(shard.path("entries"), f"its records cannot be read: {fault}", _RESTORE)
    plain: dict[Kind, pa.Table] = {
        "samples": tables["samples"].select(stored(SAMPLES.names, tables["samples"].column_names)),
        "entries": tables["entries"].select(stored(ENTRIES.names, tables["entries"].column_names)),
    }
    if tables_sha256(plain) != shard.content_sha256:
        yield Finding(f"manifests/{shard.name}.json", "does not have the hash of its records", _RESTORE)


def _decodes(crop: bytes) -> bool:
    """Tell whether a crop can be read: an array of values, else a picture."""
    if crop.startswith(MAGIC):
        with suppress(UsageError):
            return decode_crop(crop, "crop").size > 0
        return False
    try:
        with Image.open(io.BytesIO(crop), formats=("PNG",)) as picture:
            picture.load()
    except _BROKEN:
        return False
    return True


def _unreferenced(library: Library, shards: list[Shard]) -> Iterator[Finding]:
    """Find files of shards that were never finished."""
    good = {f"{shard.name}.parquet" for shard in shards}
    for kind in KINDS:
        for name in sorted(set(library.tracking.names_in(kind)) - good):
            yield Finding(
                f"{kind}/{name}",
                "belongs to no shard that counts",
                "Ship or collect again: it is finished then",
            )


class _Named:
    """The entries that the units in force name, and whether the library has them."""

    def __init__(self, library: Library) -> None:
        self._faults: list[Finding] = []
        try:
            self._ids = Units(library.tracking, library.store).table()["id"].combine_chunks()
        except EnvironmentFault as fault:
            mend = "Audit again, or bring it back from a backup of the MLflow store"
            self._faults = [Finding("units", fault.fault, mend)]
            self._ids = pa.array([], pa.string())
        self._seen = np.zeros(len(self._ids), bool)

    def see(self, ids: pa.ChunkedArray) -> None:
        """Take note of entries of the library."""
        self._seen |= pc.is_in(self._ids, value_set=ids).to_numpy(zero_copy_only=False)

    def findings(self) -> Iterator[Finding]:
        """Say what does not hold, once all entries were seen."""
        yield from self._faults
        strangers = int((~self._seen).sum())
        if strangers:
            what = f"{strangers:,} of {len(self._ids):,} ids are of no entry"
            yield Finding("units", what, "Audit the library again")
