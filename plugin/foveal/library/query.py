"""Questions about a library's entries, answered from the catalog; crops are read for what was chosen only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from foveal.errors import UsageError, nearest
from foveal.library.catalog import Catalog
from foveal.library.content import HEAVY
from foveal.library.lots import draw_lots
from foveal.library.ordering import Ordering, read_rows, write_rows
from foveal.library.rows import heavy_of
from foveal.library.schema import ENTRIES, clean_text, to_entries
from foveal.library.shards import ShardStore
from foveal.library.spaces import Space, space_of
from foveal.library.updating import moment
from foveal.records import SOURCES, Entry, Source

if TYPE_CHECKING:
    import duckdb

#: Columns that only say how a shard is put together.
_INNER = ("sample_at", "number")
COLUMNS = [name for name in ENTRIES.names if name not in _INNER]
_PLACE = ("shard", "place", "digest")
#: Rows of the catalog that are handed over at a time: to draw from, and to be kept.
_LOTS, _KEPT = 100_000, 10_000
#: What entries can be put in order by: their sample's name, or what it held, whatever name a request had.
ORDERS = {
    "sample": 'source, sample, "row", sample_sha256, number, id',
    "content": 'source, sample_sha256, sample, "row", number, id',
}
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

    def table(self, columns: Sequence[str] | None = None, by: str = "sample") -> pa.Table:
        """Read the entries, ordered by their sample.

        Parameters
        ----------
        columns
            Columns to read; all where none are given. Without ``crop``, ``map`` and ``vector`` no shard is
            touched.
        by
            One of :data:`ORDERS`: by the sample's name or by the hash of its content.

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
            lambda: self._complete(self._light(wanted, f"ORDER BY {ORDERS[by]}"), wanted)
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
        with TemporaryFile(dir=self._catalog.folder) as file:
            self._keep(
                self._text(_listed(_lights(wanted), self._wanted.units), "ORDER BY shard, place"), file
            )
            for light in read_rows(file, size):
                yield self._complete(light, wanted)

    def ordered(
        self,
        columns: Sequence[str] | None = None,
        size: int = 1000,
        limit: int | None = None,
        scratch: Path | None = None,
        by: str = "sample",
    ) -> Iterator[pa.Table]:
        """Read the entries piece by piece in the order of :meth:`table`; what waits is on the disk.

        Parameters
        ----------
        columns, size
            As for :meth:`batches`.
        limit
            At most so many entries, those of the lowest ids.
        scratch
            Folder with room for all that is read; the library's cache by default.
        by
            As for :meth:`table`.
        """
        wanted, scratch = _columns(columns), scratch or self._catalog.folder
        rank = f"row_number() OVER (ORDER BY {ORDERS[by]}) - 1 AS rank"
        chosen = self._text("*", "" if limit is None else f"ORDER BY id LIMIT {int(limit)}")
        listed = _listed(_lights(wanted), self._wanted.units)
        text = f"SELECT {rank}, {listed} FROM ({chosen}) AS entries ORDER BY shard, place"  # noqa: S608
        with TemporaryFile(dir=scratch) as file, TemporaryFile(dir=scratch) as sorting:
            self._keep(text, file)
            ordering = Ordering(sorting, size)
            for light in read_rows(file, size):
                ordering.add(self._complete(light, wanted), light["rank"])
            yield from ordering.pieces()

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
        return to_entries(self.drawn(n, seed))

    def drawn(self, n: int, seed: int = 0, columns: Sequence[str] | None = None) -> pa.Table:
        """Draw entries at random, as :meth:`sample` does, and give them as a table of some columns."""
        if n < 0:
            raise UsageError(f"{n} entries cannot be drawn", "Ask for 0 or more")
        wanted = _columns(columns)

        def draw(connection: duckdb.DuckDBPyConnection) -> pa.Table:
            lots = connection.sql(self._text("rowid, lot"), params=self._values()).to_arrow_reader(_LOTS)
            chosen = draw_lots(((batch["rowid"], batch["lot"]) for batch in lots), n, seed)
            connection.register("drawn", pa.table({"number": chosen, "drawn": np.arange(len(chosen))}))
            text = (
                f"SELECT {_listed(_lights(wanted), self._wanted.units)} "  # noqa: S608 - our own words
                "FROM entries JOIN drawn ON entries.rowid = drawn.number ORDER BY drawn.drawn"
            )
            return connection.sql(text).to_arrow_table()

        return self._catalog.settled(lambda: self._complete(self._catalog.ask(draw), wanted))

    def repeated(self) -> list[str]:
        """List the ids that several of the entries have: those of requests that used an id of another."""
        return list(self._select("id", "GROUP BY id HAVING count(*) > 1 ORDER BY id")["id"].to_pylist())

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

    def spaces(self) -> dict[Space, int]:
        """Count the entries by what they are compared by: vectors of a model and layer, or their looks."""
        found = self._select("model_sha256, layer, dims, count(*) AS n", "GROUP BY ALL").to_pylist()
        sizes: Counter[Space] = Counter()
        for row in found:
            sizes[space_of(row["model_sha256"], row["layer"], row["dims"])] += row["n"]
        return dict(sizes)

    def _facet(self, by: str) -> tuple[str, list[str]]:
        if by.startswith("metadata."):
            return "metadata[?]", [clean_text(by.removeprefix("metadata."))]
        known = {**_FACETS, "feature": "unit" if self._wanted.units else "feature"}
        if by not in known:
            raise UsageError(f"Entries cannot be counted by {by!r}", nearest(by, [*known, "metadata.KEY"]))
        return known[by], []

    def _light(self, columns: Sequence[str], rest: str) -> pa.Table:
        return self._select(_listed(_lights(columns), self._wanted.units), rest)

    def _select(self, what: str, rest: str = "", values: Sequence[Any] = ()) -> pa.Table:
        text, given = self._text(what, rest), [*values, *self._values()]
        return self._catalog.ask(lambda connection: connection.sql(text, params=given).to_arrow_table())

    def _keep(self, text: str, file: IO[bytes]) -> None:
        """Write the answer to a question about the entries into a file, as it is at this moment."""
        given = self._values()
        self._catalog.ask(
            lambda connection: write_rows(connection.sql(text, params=given).to_arrow_reader(_KEPT), file)
        )

    def _text(self, what: str, rest: str = "") -> str:
        """Ask something about the entries; :meth:`_values` are the values in it."""
        where = " AND ".join(text for text, _ in self._conditions())
        return f"SELECT {what} FROM entries WHERE {where} {rest}"  # noqa: S608 - values are passed beside it

    def _values(self) -> list[Any]:
        return [value for _, own in self._conditions() for value in own]

    def _conditions(self) -> list[tuple[str, list[Any]]]:
        return [*self._wanted.conditions(), (COUNTS, [self._wanted.scope])]

    def _complete(self, light: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Add the heavy columns to rows of the catalog, and leave out what was not asked for."""
        schema = pa.schema([ENTRIES.field(name) for name in columns])
        if any(name in HEAVY for name in columns):
            heavy = heavy_of(self._store, self._catalog.shard, light)
            for name in HEAVY:
                light = light.append_column(name, heavy[name])
        return light.select(list(columns)).cast(schema).replace_schema_metadata(None)


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


def _listed(columns: Sequence[str], units: bool = True) -> str:
    return ", ".join(
        f'entries.unit AS "{name}"' if units and name == "feature" else f'entries."{name}"'
        for name in columns
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _seconds(time: Time) -> float:
    found = moment(time if isinstance(time, str) else time.isoformat())
    if found is None:
        raise UsageError(f"{time!r} is no time", "Write it as 2026-03-01 or 2026-03-01T12:00:00Z")
    return found
