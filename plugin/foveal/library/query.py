"""Questions about a library's entries, answered from the catalog; crops are read for what was chosen only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foveal.errors import UsageError, nearest
from foveal.library.catalog import Catalog
from foveal.library.content import HEAVY
from foveal.library.rows import read_heavy
from foveal.library.schema import ENTRIES, clean_text, to_entries
from foveal.library.shards import ShardStore
from foveal.library.updating import moment
from foveal.records import SOURCES, Entry, Source

if TYPE_CHECKING:
    import duckdb

#: Columns that only say how a shard is put together.
_INNER = ("sample_at", "number")
COLUMNS = [name for name in ENTRIES.names if name not in _INNER]
_PLACE = ("shard", "place", "digest")
_ORDER = 'source, sample, "row", sample_sha256, number, id'
#: What entries can be counted by, beside ``metadata.KEY``.
_FACETS = {name: f"CAST({name} AS VARCHAR)" for name in ("label", "predicted", "source", "model_sha256")}

Time = str | datetime | date


@dataclass(frozen=True)
class Filter:
    """Which entries are meant; None stands for all. See :meth:`foveal.library.Library.query`."""

    feature: str | None = None
    source: Source | None = None
    predicted: int | None = None
    label: str | None = None
    since: Time | None = None
    until: Time | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    activation: tuple[float | None, float | None] = (None, None)
    sample: str | None = None
    model_sha256: str | None = None
    config_sha256: str | None = None
    units: bool = True
    ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.source is not None and self.source not in SOURCES:
            raise UsageError(f"{self.source!r} is no source", nearest(self.source, SOURCES))

    @property
    def scope(self) -> int:
        """Number the scope in which the latest record of a sample counts."""
        return (self.model_sha256 is not None) + 2 * (self.config_sha256 is not None)

    def conditions(self) -> list[tuple[str, list[Any]]]:
        """Give the conditions on columns of the catalog, each with its values."""
        low, high = self.activation
        texts = ("source", "label", "sample", "model_sha256", "config_sha256")
        given: list[tuple[str, Any]] = [
            (f"{'unit' if self.units else 'feature'} = ?", _clean(self.feature)),
            *((f"{name} = ?", _clean(getattr(self, name))) for name in texts),
            ("predicted = ?", self.predicted),
            ("moment >= ?", None if self.since is None else _seconds(self.since)),
            ("moment < ?", None if self.until is None else _seconds(self.until)),
            ("activation >= ?", low),
            ("activation <= ?", high),
            ("id IN (SELECT unnest(?))", None if self.ids is None else [clean_text(id_) for id_ in self.ids]),
        ]
        pairs = [("metadata[?] = ?", [clean_text(k), clean_text(v)]) for k, v in self.metadata.items()]
        return [*((text, [value]) for text, value in given if value is not None), *pairs]


class Query:
    """Some of a library's entries, looked up when it is asked for them, each time anew.

    Parameters
    ----------
    catalog, store
        The library's catalog and shards.
    wanted
        Which entries are meant.
    """

    def __init__(self, catalog: Catalog, store: ShardStore, wanted: Filter) -> None:
        self._catalog, self._store, self._wanted = catalog, store, wanted

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self._wanted).items() if value != _NOTHING[name]}
        return f"Query({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def count(self) -> int:
        """Count the entries."""
        return int(self._select("count(*)")[0][0].as_py())

    def ids(self) -> list[str]:
        """List their ids, sorted."""
        return list(self._select("id", "ORDER BY id")["id"].to_pylist())

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the entries, ordered by their sample.

        Parameters
        ----------
        columns
            Columns to read; all where none are given. Without ``crop``, ``map`` and ``vector`` no shard is
            touched.

        Returns
        -------
        pyarrow.Table
            As :meth:`foveal.library.Library.entries` gives them.

        Raises
        ------
        UsageError
            If a column does not exist.
        """
        wanted = _columns(columns)
        return self._catalog.settled(
            lambda: self._complete(self._light(wanted, f"ORDER BY {_ORDER}"), wanted)
        )

    def batches(self, columns: Sequence[str] | None = None, size: int = 1000) -> Iterator[pa.Table]:
        """Read the entries piece by piece, shard after shard, never more than one piece at a time.

        Parameters
        ----------
        columns
            As for :meth:`table`.
        size
            Entries per piece at most.
        """
        wanted = _columns(columns)
        places = self._light(wanted, "ORDER BY shard, place")
        ends = np.flatnonzero(pc.not_equal(places["shard"][1:], places["shard"][:-1]).to_numpy()) + 1
        bounds = [0, *ends.tolist(), len(places)]
        for start, stop in pairwise(bounds):
            for at in range(start, stop, size):
                yield self._complete(places.slice(at, min(size, stop - at)), wanted)

    def entries(self) -> list[Entry]:
        """Read the entries, ordered by their sample."""
        return to_entries(self.table())

    def sample(self, n: int, seed: int = 0) -> list[Entry]:
        """Draw entries at random, none twice.

        Parameters
        ----------
        n
            How many; all of them, in random order, where there are fewer.
        seed
            The same seed and the same entries give the same draw, however they came into the library.

        Raises
        ------
        UsageError
            If `n` is negative.
        """
        if n < 0:
            raise UsageError(f"{n} entries cannot be drawn", "Ask for 0 or more")

        def draw(connection: duckdb.DuckDBPyConnection) -> pa.Table:
            numbers = self._run(connection, "rowid", "ORDER BY id")["rowid"].to_numpy()
            chosen = np.random.default_rng(seed).permutation(numbers)[:n]
            connection.register("drawn", pa.table({"number": chosen, "drawn": np.arange(len(chosen))}))
            light = ", ".join(_quoted(_lights(COLUMNS), self._wanted.units))
            text = (
                f"SELECT {light} FROM entries JOIN drawn ON entries.rowid = drawn.number ORDER BY drawn.drawn"  # noqa: S608
            )
            return connection.sql(text).to_arrow_table()

        return to_entries(self._catalog.settled(lambda: self._complete(self._catalog.ask(draw), COLUMNS)))

    def facets(self, by: str) -> dict[str | None, int]:
        """Count the entries by a property, most frequent first.

        Parameters
        ----------
        by
            ``feature``, ``label``, ``predicted``, ``source``, ``model_sha256`` or ``metadata.KEY``.
        """
        key, values = self._facet(by)
        text = "GROUP BY value ORDER BY n DESC, value"
        found = self._select(f"{key} AS value, count(*) AS n", text, values)
        return dict(zip(found["value"].to_pylist(), found["n"].to_pylist(), strict=True))

    def _facet(self, by: str) -> tuple[str, list[str]]:
        if by.startswith("metadata."):
            return "metadata[?]", [clean_text(by.removeprefix("metadata."))]
        known = {**_FACETS, "feature": "unit" if self._wanted.units else "feature"}
        if by not in known:
            raise UsageError(f"Entries cannot be counted by {by!r}", nearest(by, [*known, "metadata.KEY"]))
        return known[by], []

    def _light(self, columns: Sequence[str], rest: str) -> pa.Table:
        return self._select(", ".join(_quoted(_lights(columns), self._wanted.units)), rest)

    def _select(self, what: str, rest: str = "", values: Sequence[Any] = ()) -> pa.Table:
        return self._catalog.ask(lambda connection: self._run(connection, what, rest, values))

    def _run(
        self, connection: duckdb.DuckDBPyConnection, what: str, rest: str, values: Sequence[Any] = ()
    ) -> pa.Table:
        conditions = [*self._wanted.conditions(), (COUNTS, [self._wanted.scope])]
        where = " AND ".join(text for text, _ in conditions)
        given = [*values, *(value for _, own in conditions for value in own)]
        text = f"SELECT {what} FROM entries WHERE {where} {rest}"  # noqa: S608 - values are passed beside it
        return connection.sql(text, params=given).to_arrow_table()

    def _complete(self, light: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Add the heavy columns to rows of the catalog, and leave out what was not asked for."""
        schema = pa.schema([ENTRIES.field(name) for name in columns])
        if any(name in HEAVY for name in columns):
            heavy = self._heavy(light)
            for name in HEAVY:
                light = light.append_column(name, heavy[name])
        return light.select(list(columns)).cast(schema).replace_schema_metadata(None)

    def _heavy(self, light: pa.Table) -> pa.Table:
        shards = light["shard"].to_numpy(zero_copy_only=False)
        at, digest = light["place"].to_numpy().astype(np.int32), light["digest"].combine_chunks()
        names, owner = np.unique(shards.astype(str), return_inverse=True)
        order = np.argsort(owner, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(names)))]).astype(int)

        def read(name: str, start: int, stop: int) -> pa.Table:
            rows = order[start:stop]
            shard = self._catalog.shard(name)
            return read_heavy(self._store, shard, at[rows], digest.take(pa.array(rows)))

        with self._store.moving(), ThreadPoolExecutor(max_workers=4) as pool:
            parts = [_HEAVY.empty_table(), *pool.map(read, names.tolist(), bounds[:-1], bounds[1:])]
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        together = pa.concat_tables(parts)
        return together if np.array_equal(back, np.arange(len(back))) else together.take(pa.array(back))


_HEAVY = pa.schema([ENTRIES.field(name) for name in HEAVY])
_NOTHING: dict[str, Any] = vars(Filter())
#: Holds for entries whose sample counts in a scope.
COUNTS = (
    "NOT EXISTS (SELECT 1 FROM superseded WHERE superseded.shard = entries.shard"
    " AND superseded.place = entries.sample_at AND superseded.scope = ?)"
)


def _columns(columns: Sequence[str] | None) -> list[str]:
    wanted = COLUMNS if columns is None else list(columns)
    for column in wanted:
        if column not in COLUMNS:
            raise UsageError(f"The entries have no column {column!r}", nearest(column, COLUMNS))
    return wanted


def _lights(columns: Sequence[str]) -> list[str]:
    """Give the catalog's columns that are needed for columns of entries."""
    return [*(name for name in dict.fromkeys(columns) if name not in HEAVY), *_PLACE]


def _quoted(columns: Sequence[str], units: bool = True) -> list[str]:
    return [
        f'entries.unit AS "{name}"' if units and name == "feature" else f'entries."{name}"'
        for name in columns
    ]


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _seconds(time: Time) -> float:
    found = moment(time if isinstance(time, str) else time.isoformat())
    if found is None:
        raise UsageError(f"{time!r} is no time", "Write it as 2026-03-01 or 2026-03-01T12:00:00Z")
    return found
