"""Reading shards as one table: the records that count, each once, in an order free of their history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foveal.errors import UsageError, nearest
from foveal.library.manifests import Kind, Shard
from foveal.library.schema import ENTRIES, SAMPLES, completed, stored
from foveal.library.shards import ShardStore
from foveal.records import Source

_IDENTITY = ["source", "sample", "row", "sample_sha256"]
#: Columns of the entries' files that only say how a shard is put together.
_INNER = ["sample_at", "number"]
_COLUMNS: dict[Kind, list[str]] = {
    "samples": SAMPLES.names,
    "entries": [name for name in ENTRIES.names if name not in _INNER],
}
_ORDER: dict[Kind, list[str]] = {"samples": _IDENTITY, "entries": [*_IDENTITY, "number", "id"]}


@dataclass(frozen=True)
class Selection:
    """Which records to read; None stands for all."""

    source: Source | None = None
    model_sha256: str | None = None
    config_sha256: str | None = None

    def takes(self, shard: Shard) -> bool:
        """Say whether a shard's records are meant."""
        return all(wanted in (None, getattr(shard, name)) for name, wanted in vars(self).items())

    @property
    def scope(self) -> int:
        """Number the scope in which the latest record of a sample counts."""
        return (self.model_sha256 is not None) + 2 * (self.config_sha256 is not None)


@dataclass(frozen=True, eq=False)
class Piece:
    """The counting records of one shard, with the rows of the samples in their file."""

    rows: NDArray[np.intp]
    samples: pa.Table
    entries: pa.Table


class Reader:
    """The counting records of a selection of shards.

    A sample is one file or one row of a request: source, name, row and content. Where it was recorded more
    than once (a request that ran again, another configuration), the record in the later shard counts,
    together with its entries.

    Parameters
    ----------
    store
        The library's shards.
    shards
        Those to read, earlier ones first.
    superseded
        The rows of a shard's samples that do not count, by its name, where that is known.
    """

    def __init__(
        self,
        store: ShardStore,
        shards: Sequence[Shard],
        superseded: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._store = store
        self.shards = tuple(shards)
        self._kept: list[NDArray[np.bool_]] | None = None
        if superseded is not None:
            self._kept = [_without(shard.samples.rows, superseded.get(shard.name, ())) for shard in shards]

    def table(
        self, kind: Kind, columns: Sequence[str] | None = None, features: Sequence[str] | None = None
    ) -> pa.Table:
        """Read samples or entries.

        Parameters
        ----------
        kind
            Which of the two.
        columns
            Columns to read; all where none are given.
        features
            For entries: the recorded features to read; all where none are given.

        Raises
        ------
        UsageError
            If a column does not exist.
        """
        wanted = list(columns) if columns is not None else _COLUMNS[kind]
        for column in wanted:
            if column not in _COLUMNS[kind]:
                raise UsageError(f"The {kind} have no column {column!r}", nearest(column, _COLUMNS[kind]))
        needed = list(dict.fromkeys([*wanted, *_ORDER[kind], *(_INNER if kind == "entries" else [])]))
        tables = [self._part(number, kind, needed, features) for number in range(len(self.shards))]
        whole = pa.concat_tables([_schema(kind, needed).empty_table(), *tables])
        return whole.sort_by([(name, "ascending") for name in _ORDER[kind]]).select(wanted)

    def pieces(self) -> Iterator[Piece]:
        """Read shard by shard, with all columns of the files."""
        for number, kept in enumerate(self._counting()):
            samples = self._part(number, "samples", SAMPLES.names)
            yield Piece(np.flatnonzero(kept), samples, self._part(number, "entries", ENTRIES.names))

    def _part(
        self, number: int, kind: Kind, columns: list[str], features: Sequence[str] | None = None
    ) -> pa.Table:
        file = self._store.file(self.shards[number], kind)
        filters = None if features is None else [("feature", "in", list(features))]
        present = stored(columns, pq.read_schema(file).names)
        table = pq.read_table(file, columns=present, filters=filters, partitioning=None)
        table = completed(table, _schema(kind, columns))
        kept = self._counting()[number]
        if kept.all():
            return table
        return table.filter(pa.array(kept if kind == "samples" else kept[table["sample_at"].to_numpy()]))

    def _counting(self) -> list[NDArray[np.bool_]]:
        """Say of every sample in every shard whether it counts."""
        if self._kept is None:
            self._kept = _last_of_each([self._identities(shard) for shard in self.shards])
        return self._kept

    def _identities(self, shard: Shard) -> pa.Table:
        return pq.read_table(self._store.file(shard, "samples"), columns=_IDENTITY, partitioning=None)


def _without(rows: int, left_out: Sequence[int]) -> NDArray[np.bool_]:
    kept = np.ones(rows, bool)
    kept[list(left_out)] = False
    return kept


def _last_of_each(tables: list[pa.Table]) -> list[NDArray[np.bool_]]:
    """Mark the last row of each identity over all tables."""
    if not tables:
        return []
    together = pa.concat_tables(tables)
    numbered = together.append_column("at", pa.array(np.arange(len(together))))
    last = numbered.group_by(_IDENTITY).aggregate([("at", "max")])["at_max"].to_numpy()
    kept = np.zeros(len(together), bool)
    kept[last] = True
    return np.split(kept, np.cumsum([len(table) for table in tables])[:-1])


def _schema(kind: Kind, columns: list[str]) -> pa.Schema:
    whole = SAMPLES if kind == "samples" else ENTRIES
    return pa.schema([whole.field(column) for column in columns])
