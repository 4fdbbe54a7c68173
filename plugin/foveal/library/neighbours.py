"""The entries that are most alike, found among the points of their space.

The points (:mod:`foveal.library.points`) lie in the cache beside the catalog and follow it: what is new is
added before a search, what does not count any more is left out of answers, and once much is gone they are
written anew. Damaged or deleted, they are written again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from foveal.errors import UsageError
from foveal.library.catalog import Catalog
from foveal.library.lots import among, lot_of
from foveal.library.ordering import read_rows, write_rows
from foveal.library.points import PointFiles
from foveal.library.query import COUNTS
from foveal.library.rows import heavy_of
from foveal.library.schema import clean_text
from foveal.library.shards import ShardStore
from foveal.library.spaces import APPEARANCE, Points, Space, picture, space_of, unit_length

if TYPE_CHECKING:
    import duckdb

#: Entries that are read and added at once, and the share of gone points from which on they are written anew.
_AT_ONCE = 2000
_GONE = 0.25


class Neighbour(NamedTuple):
    """An entry that was found, and its cosine distance: 0 is the same, 1 unlike, 2 the opposite."""

    id: str
    distance: float


@dataclass
class _Indexed:
    """The points of a space, and which of them count, in a state of the catalog."""

    points: PointFiles
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
        self._chosen: dict[tuple[str, Space, str], NDArray[np.bool_]] = {}

    def nearest(self, to: str | bytes | ArrayLike, k: int, feature: str | None) -> list[Neighbour]:
        """Find the entries that are most alike; see :meth:`foveal.library.Library.nearest`."""
        if k < 1:
            raise UsageError(f"{k} neighbours cannot be found", "Ask for 1 or more")
        self._catalog.sync()
        if isinstance(to, str):
            return self._of_entry(clean_text(to), k, feature)
        if isinstance(to, bytes):
            return self._search(APPEARANCE, picture(to), k, feature)
        point = np.asarray(to, np.float32).ravel()
        return self._search(self._space_of(point), unit_length(point[None])[0], k, feature)

    def _of_entry(self, id_: str, k: int, feature: str | None) -> list[Neighbour]:
        space = self._known_space(id_) or self._space_with(id_)
        indexed = self._indexed(space)
        point = indexed.points.point(_row(indexed, id_))
        found = self._search(space, point, k + 1, feature)
        return [one for one in found if one.id != id_][:k]

    def _search(self, space: Space, point: Points, k: int, feature: str | None) -> list[Neighbour]:
        indexed = self._indexed(space)
        found = indexed.points.nearest(point, k, self._allowed(indexed, space, feature))
        named = zip(indexed.points.ids(found.rows), found.distances.tolist(), strict=True)
        return [Neighbour(id_, max(0.0, distance)) for id_, distance in named]

    def _allowed(self, indexed: _Indexed, space: Space, feature: str | None) -> NDArray[np.bool_]:
        """Say which points may be in the answer; kept as long as the library stays as it is."""
        name = (indexed.state, space, feature or "")
        if feature is None:
            return indexed.counts
        if name not in self._chosen:
            lots = self._lots(space, " AND unit = ?", [clean_text(feature)])
            self._chosen = {key: value for key, value in self._chosen.items() if key[0] == indexed.state}
            self._chosen[name] = indexed.counts & among(indexed.points.lots, lots)
        return self._chosen[name]

    def _known_space(self, id_: str) -> Space | None:
        """Give the space of an entry that points in memory count."""
        for space, indexed in self._open.items():
            if indexed.state == self._catalog.state and _row(indexed, id_) >= 0:
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

    def _lots(self, space: Space, more: str = "", values: list[Any] | None = None) -> NDArray[np.uint64]:
        """Give the lots of the entries of a space that count."""
        text, given = _text("lot", space, more), [*space.condition[1], 0, *(values or [])]
        found = self._catalog.ask(lambda connection: connection.sql(text, params=given).to_arrow_table())
        lots: NDArray[np.uint64] = found["lot"].to_numpy()
        return lots

    def _indexed(self, space: Space) -> _Indexed:
        """Give the points of a space, with everything in it that counts."""
        known = self._open.get(space)
        if known is None or known.state != self._catalog.state:
            lots = self._lots(space)
            state = self._catalog.state
            with self._locked():
                points = self._followed(space, lots)
            self._open[space] = known = _Indexed(points, among(points.lots, lots), state)
        return known

    def _followed(self, space: Space, lots: NDArray[np.uint64]) -> PointFiles:
        """Read the points and add what is new; they are kept for the next time."""
        name = hashlib.sha256(repr(astuple(space)).encode()).hexdigest()[:16]
        stem = self._catalog.folder / f"neighbours-{name}"
        points = PointFiles(stem, space.dims)
        if len(points) and 1 - among(points.lots, lots).mean() > _GONE:
            stem.with_suffix(".json").unlink()
            points.open()
        if not among(lots, points.lots).all():
            with TemporaryFile(dir=self._catalog.folder) as file:
                self._list_new(space, points, file)
                with points.growing():
                    for piece in read_rows(file, _AT_ONCE):
                        heavy = heavy_of(self._store, self._catalog.shard, piece)
                        points.add(space.points(heavy), piece["lot"].to_numpy(), piece["id"].to_pylist())
        return points

    def _list_new(self, space: Space, points: PointFiles, file: IO[bytes]) -> None:
        """Write down where the entries lie that have no point yet."""
        new = " AND lot NOT IN (SELECT lot FROM known) ORDER BY shard, place"
        text, given = _text("id, lot, shard, place, digest", space, new), [*space.condition[1], 0]

        def look(connection: duckdb.DuckDBPyConnection) -> None:
            connection.register("known", pa.table({"lot": pa.array(np.asarray(points.lots), pa.uint64())}))
            write_rows(connection.sql(text, params=given).to_arrow_reader(_AT_ONCE), file)

        self._catalog.ask(look)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time add points."""
        lock = self._catalog.folder / "neighbours.lock"
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _text(what: str, space: Space, more: str = "") -> str:
    """Ask about the entries of a space that count; the values are the space's own and the scope."""
    return f"SELECT {what} FROM entries WHERE {space.condition[0]} AND {COUNTS}{more}"  # noqa: S608


def _row(indexed: _Indexed, id_: str) -> int:
    """Give the row of an entry's point; -1 where it has none that counts."""
    rows = np.flatnonzero((indexed.points.lots == np.uint64(lot_of(id_))) & indexed.counts)
    return int(rows[0]) if len(rows) else -1
