"""Rows put in order though they do not fit into memory: through a file, as a sort of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Bytes of the rows that are put in order in memory at a time.
_RUN = 1 << 24
_NUMBER = "ordering.number"


class _Run(NamedTuple):
    """Rows that lie in the file in order: pieces' numbers, and where each one's rows start and end."""

    pieces: NDArray[np.int64]
    bounds: NDArray[np.int64]


class Ordering:
    """Rows that come in any order, and are given back in the order of their numbers.

    Parameters
    ----------
    file
        An empty file to keep them in meanwhile.
    size
        Rows of a piece that is given back.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self._waiting: list[pa.Table] = []
        self._runs: list[_Run] = []
        self._schema = pa.schema([])

    def add(self, rows: pa.Table, numbers: pa.ChunkedArray) -> None:
        """Take rows, all of the same columns, with their places in the order: from 0, each once."""
        self._waiting.append(rows.append_column(_NUMBER, numbers.cast(pa.int64())))
        if sum(table.nbytes for table in self._waiting) >= _RUN:
            self._write()

    def pieces(self) -> Iterator[pa.Table]:
        """Give the rows back, so many at a time."""
        if not self._runs:  # they fit into memory
            yield from self._cut(self._together())
            return
        self._write()
        for piece in range(1 + max(int(run.pieces[-1]) for run in self._runs)):
            yield from self._cut(pa.concat_tables(self._read(piece)).sort_by(_NUMBER))

    def _cut(self, rows: pa.Table) -> Iterator[pa.Table]:
        own = rows.drop_columns([_NUMBER]) if len(rows) else rows
        yield from (own.slice(at, self._size) for at in range(0, len(own), self._size))

    def _together(self) -> pa.Table:
        waiting, self._waiting = self._waiting, []
        return pa.concat_tables(waiting).sort_by(_NUMBER).combine_chunks() if waiting else pa.table({})

    def _write(self) -> None:
        """Put what waits in order and into the file, each piece's rows for themselves."""
        rows = self._together()
        if not len(rows):
            return
        owner = rows[_NUMBER].to_numpy() // self._size
        pieces, starts = np.unique(owner, return_index=True)
        bounds = [self._file.seek(0, 2)]
        for start, stop in zip(starts, [*starts[1:], len(owner)], strict=True):
            (batch,) = rows.slice(start, stop - start).to_batches()
            bounds.append(bounds[-1] + self._file.write(batch.serialize()))
        self._runs.append(_Run(pieces, np.asarray(bounds)))
        self._schema = rows.schema

    def _read(self, piece: int) -> Iterator[pa.Table]:
        """Read a piece's rows from every run that has some."""
        for run in self._runs:
            at = int(np.searchsorted(run.pieces, piece))
            if at < len(run.pieces) and run.pieces[at] == piece:
                self._file.seek(run.bounds[at])
                content = self._file.read(run.bounds[at + 1] - run.bounds[at])
                yield pa.Table.from_batches([pa.ipc.read_record_batch(content, self._schema)])


def write_rows(batches: pa.RecordBatchReader, file: IO[bytes]) -> None:
    """Write rows into a file, to be read one batch after the other."""
    with pa.ipc.new_stream(file, batches.schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    file.seek(0)


def read_rows(file: IO[bytes], size: int) -> Iterator[pa.Table]:
    """Read them, so many at a time."""
    with pa.ipc.open_stream(file) as stream:
        for batch in stream:
            rows = pa.Table.from_batches([batch])
            yield from (rows.slice(at, size) for at in range(0, len(rows), size))
