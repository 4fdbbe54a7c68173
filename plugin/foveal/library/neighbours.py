"""The entries that are most alike, found by an approximate index per space.

The index (usearch, HNSW) lies in the cache beside the catalog and follows it: what is new is added before a
search, what does not count any more is left out of answers, and once much is gone the index is made anew.
Searches read it from the disk as they need it. Damaged or deleted, it is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray
from pyarrow import feather

from foveal.errors import UsageError
from foveal.library.catalog import Catalog
from foveal.library.query import COUNTS
from foveal.library.rows import read_heavy
from foveal.library.schema import clean_text
from foveal.library.shards import ShardStore
from foveal.library.spaces import APPEARANCE, Points, Space, picture, space_of, unit_length

if TYPE_CHECKING:
    import duckdb
    from usearch.index import Index

#: Entries that are read and added at once, and shares of gone entries from which on the index is made anew.
_AT_ONCE = 2000
_GONE = 0.25
#: Among so few entries all are compared, and of so many found ones the index looks for those that are meant.
_FEW, _MANY = 2000, 20_000
_KNOBS: dict[str, Any] = {"metric": "cos", "dtype": "f16", "connectivity": 16, "expansion_add": 64}
_EXPANSION = 128


class Neighbour(NamedTuple):
    """An entry that was found, and its cosine distance: 0 is the same, 1 unlike, 2 the opposite."""

    id: str
    distance: float


@dataclass
class _Indexed:
    """An index with the ids of its keys, and which of them count, in a state of the catalog."""

    index: Index
    ids: pa.Array
    counts: NDArray[np.bool_]
    state: str


class Neighbours:
    """The indexes of one library.

    Parameters
    ----------
    catalog, store
        The library's catalog and shards.
    """

    def __init__(self, catalog: Catalog, store: ShardStore) -> None:
        self._catalog, self._store = catalog, store
        self._open: dict[Space, _Indexed] = {}
        self._chosen: dict[tuple[str, Space, str], NDArray[np.int64]] = {}

    def nearest(self, to: str | bytes | ArrayLike, k: int, feature: str | None) -> list[Neighbour]:
        """Find the entries that are most alike; see :meth:`foveal.library.Library.nearest`."""
        if k < 1:
            raise UsageError(f"{k} neighbours cannot be found", "Ask for 1 or more")
        self._catalog.sync()
        if isinstance(to, str):
            return self._of_entry(clean_text(to), k, feature)
        if isinstance(to, bytes):
            return self._search(self._indexed(APPEARANCE), APPEARANCE, picture(to), k, feature)
        point = np.asarray(to, np.float32).ravel()
        space = self._space_of(point)
        return self._search(self._indexed(space), space, unit_length(point[None])[0], k, feature)

    def _of_entry(self, id_: str, k: int, feature: str | None) -> list[Neighbour]:
        space = self._known_space(id_) or self._space_with(id_)
        indexed = self._indexed(space)
        key = _key(indexed.ids, id_)
        point = np.asarray(indexed.index.get(key), np.float32).ravel()
        found = self._search(indexed, space, point, k + 1, feature)
        return [one for one in found if one.id != id_][:k]

    def _search(
        self, indexed: _Indexed, space: Space, point: Points, k: int, feature: str | None
    ) -> list[Neighbour]:
        allowed = self._allowed(indexed, space, feature)
        wanted = min(k, len(allowed))
        if wanted == 0:
            return []
        if len(allowed) <= _FEW:
            return self._exact(indexed, allowed, point, wanted)
        allows = np.zeros(len(indexed.ids), bool)
        allows[allowed] = True
        most = wanted
        while most <= _MANY:
            found = indexed.index.search(point, most)
            passed = np.flatnonzero(allows[found.keys])[:wanted]
            if len(passed) == wanted:
                return self._named(indexed, found.keys[passed], found.distances[passed])
            most *= 4
        return self._exact(indexed, allowed, point, wanted)

    def _exact(self, indexed: _Indexed, allowed: NDArray[np.int64], point: Points, k: int) -> list[Neighbour]:
        """Compare with all that are allowed, piece by piece."""
        distances = [
            1 - np.asarray(indexed.index.get(piece), np.float32) @ point
            for piece in np.array_split(allowed, max(1, len(allowed) // _MANY))
        ]
        together = np.concatenate(distances)
        order = np.argsort(together, kind="stable")[:k]
        return self._named(indexed, allowed[order], together[order])

    def _named(
        self, indexed: _Indexed, keys: NDArray[Any], distances: NDArray[np.float32]
    ) -> list[Neighbour]:
        ids = indexed.ids.take(pa.array(keys.astype(np.int64))).to_pylist()
        return [Neighbour(id_, max(0.0, float(d))) for id_, d in zip(ids, distances, strict=True)]

    def _allowed(self, indexed: _Indexed, space: Space, feature: str | None) -> NDArray[np.int64]:
        """Give the keys that may be in the answer; they are kept as long as the library stays as it is."""
        name = (indexed.state, space, feature or "")
        if name not in self._chosen:
            keys = np.flatnonzero(indexed.counts)
            if feature is not None:
                units = self._ask("id", space, " AND unit = ?", [clean_text(feature)])["id"]
                keys = np.intersect1d(keys, pc.index_in(units, indexed.ids).drop_null().to_numpy())
            self._chosen = {key: value for key, value in self._chosen.items() if key[0] == indexed.state}
            self._chosen[name] = keys
        return self._chosen[name]

    def _known_space(self, id_: str) -> Space | None:
        """Give the space of an entry that an index in memory counts."""
        for space, indexed in self._open.items():
            key = _key(indexed.ids, id_) if indexed.state == self._catalog.state else -1
            if key >= 0 and indexed.counts[key]:
                return space
        return None

    def _space_with(self, id_: str) -> Space:
        def look(connection: duckdb.DuckDBPyConnection) -> list[Any]:
            text = f"SELECT model_sha256, layer, dims FROM entries WHERE id = ? AND {COUNTS}"  # noqa: S608
            return connection.execute(text, [id_, 0]).fetchall()

        found = self._catalog.ask(look)
        if not found:
            raise UsageError(f"No entry {id_!r} in this library", "Take an id that `query().ids()` lists")
        return space_of(*found[0])

    def _space_of(self, point: Points) -> Space:
        def look(connection: duckdb.DuckDBPyConnection) -> list[Any]:
            text = "SELECT DISTINCT model_sha256, layer, dims FROM entries WHERE dims > 0"
            return connection.execute(text).fetchall()

        known = [space_of(*row) for row in self._catalog.ask(look)]
        alike = [space for space in known if space.dims == len(point)]
        if len(alike) != 1:
            sizes = ", ".join(str(size) for size in sorted({space.dims for space in known})) or "none"
            raise UsageError(
                f"A vector of {len(point)} numbers belongs to {len(alike)} layers of this library",
                f"Give an entry's id, or a vector as long as one kind has (known: {sizes})",
            )
        return alike[0]

    def _ask(self, what: str, space: Space, more: str = "", values: list[Any] | None = None) -> pa.Table:
        condition, own = space.condition
        text = f"SELECT {what} FROM entries WHERE {condition} AND {COUNTS}{more}"  # noqa: S608 - our own words
        given = [*own, 0, *(values or [])]
        return self._catalog.ask(lambda connection: connection.sql(text, params=given).to_arrow_table())

    def _indexed(self, space: Space) -> _Indexed:
        """Give the index of a space, with everything in it that counts."""
        known = self._open.get(space)
        if known is None or known.state != self._catalog.state:
            places = self._ask("id, shard, place, digest", space, " ORDER BY shard, place")
            state = self._catalog.state
            with self._locked():
                index, ids = self._followed(space, places)
            counts = pc.is_in(ids, places["id"].combine_chunks()).to_numpy(zero_copy_only=False)
            self._open[space] = known = _Indexed(index, ids, counts, state)
        return known

    def _followed(self, space: Space, places: pa.Table) -> tuple[Index, pa.Array]:
        """Read the index and add what is new; it is kept for the next time."""
        files = self._files(space)
        index, ids = _read(files, space)
        gone = len(ids) - pc.sum(pc.is_in(ids, places["id"].combine_chunks())).as_py() if len(ids) else 0
        if gone > _GONE * len(ids):
            index, ids = _empty(space), pa.array([], pa.string())
        new = places.filter(pc.invert(pc.is_in(places["id"], ids)))
        if len(new):
            index = index if not len(ids) else _loaded(files[0], space)
            ids = pa.concat_arrays([ids, self._add(index, len(ids), space, new)])
            _write(files, index, ids)
            index, ids = _read(files, space)
        return index, ids

    def _add(self, index: Index, start: int, space: Space, places: pa.Table) -> pa.Array:
        added = []
        for piece in self._pieces(places):
            shard = self._catalog.shard(piece["shard"][0].as_py())
            digest = piece["digest"].combine_chunks()
            heavy = read_heavy(self._store, shard, piece["place"].to_numpy(), digest)
            keys = np.arange(start, start + len(piece), dtype=np.uint64)
            index.add(keys, space.points(heavy))
            start += len(piece)
            added.append(piece["id"].combine_chunks().cast(pa.string()))
        return pa.concat_arrays(added)

    def _pieces(self, places: pa.Table) -> Iterator[pa.Table]:
        """Cut a table that is ordered by shard into pieces of one shard each."""
        at = 0
        for _, group in groupby(places["shard"].to_pylist()):
            size = len(list(group))
            for start in range(at, at + size, _AT_ONCE):
                yield places.slice(start, min(_AT_ONCE, at + size - start))
            at += size

    def _files(self, space: Space) -> tuple[Path, Path]:
        name = hashlib.sha256(repr(astuple(space)).encode()).hexdigest()[:16]
        folder = self._catalog.folder
        return folder / f"neighbours-{name}.usearch", folder / f"neighbours-{name}.arrow"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time add to the indexes."""
        lock = self._catalog.folder / "neighbours.lock"
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _key(ids: pa.Array, id_: str) -> int:
    """Give an entry's key; -1 where it has none."""
    return int(pc.index(ids, pa.scalar(id_, ids.type)).as_py())


def _empty(space: Space) -> Index:
    from usearch.index import Index  # noqa: PLC0415 - only those who look for neighbours wait for it

    return Index(ndim=space.dims, expansion_search=_EXPANSION, **_KNOBS)


def _loaded(file: Path, space: Space) -> Index:
    """Read an index as a whole, to add to it."""
    index = _empty(space)
    index.load(str(file))
    return index


def _read(files: tuple[Path, Path], space: Space) -> tuple[Index, pa.Array]:
    """Open an index and its ids; an empty one where they are not there, or not what was written."""
    index = _empty(space)
    try:
        ids = feather.read_table(files[1], memory_map=False)["id"].combine_chunks().cast(pa.string())
        index.view(str(files[0]))
    except (OSError, RuntimeError, ValueError, KeyError, pa.ArrowException):
        return _empty(space), pa.array([], pa.string())
    whole = len(index) == len(ids) and index.ndim == space.dims
    return (index, ids) if whole else (_empty(space), pa.array([], pa.string()))


def _write(files: tuple[Path, Path], index: Index, ids: pa.Array) -> None:
    """Put both files in place; cut off in between they do not fit together and are made again."""
    part = [file.with_name(f"{file.name}.part") for file in files]
    index.save(str(part[0]))
    feather.write_feather(pa.table({"id": ids}), str(part[1]), compression="zstd")
    for file, target in zip(part, files, strict=True):
        file.replace(target)
