"""The heavy columns of single entries: of each shard only the groups of rows that hold them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foveal.library.content import HEAVY, digests
from foveal.library.manifests import Shard
from foveal.library.schema import ENTRIES
from foveal.library.shards import ShardStore

_SCHEMA = pa.schema([ENTRIES.field(name) for name in HEAVY])
#: Shards that are read at the same time.
_READERS = 4
#: What a file that is no longer what was written may raise.
_BROKEN = (pa.ArrowException, OSError, ValueError, IndexError)


def heavy_of(store: ShardStore, shard: Callable[[str], Shard], light: pa.Table) -> pa.Table:
    """Read crop, map and vector of entries of any shards, several shards at a time.

    Parameters
    ----------
    store, shard
        Where they are; `shard` gives a shard by its name.
    light
        The entries' ``shard``, ``place`` and ``digest``, in the order in which they are wanted.

    Raises
    ------
    EnvironmentFault
        As :func:`read_heavy`.
    """
    shards = light["shard"].to_numpy(zero_copy_only=False)
    at, digest = light["place"].to_numpy().astype(np.int32), light["digest"].combine_chunks()
    names, owner = np.unique(shards.astype(str), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(names)))]).astype(int)

    def read(name: str, start: int, stop: int) -> pa.Table:
        rows = order[start:stop]
        return read_heavy(store, shard(name), at[rows], digest.take(pa.array(rows)))

    with store.moving(), ThreadPoolExecutor(max_workers=_READERS) as pool:
        parts = [_SCHEMA.empty_table(), *pool.map(read, names.tolist(), bounds[:-1], bounds[1:])]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    together = pa.concat_tables(parts)
    return together if np.array_equal(back, np.arange(len(back))) else together.take(pa.array(back))


def read_heavy(store: ShardStore, shard: Shard, at: NDArray[np.int32], expected: pa.Array) -> pa.Table:
    """Read crop, map and vector of entries of one shard, and check them.

    Parameters
    ----------
    store, shard
        Where they are.
    at
        Their rows in the shard's file of entries.
    expected
        The hash of each; where it is null the file as a whole is checked.

    Raises
    ------
    EnvironmentFault
        If the file is gone or what was read of it was changed.
    """
    found = _checked(store, shard, at, expected)
    if found is None:
        fault = store.reject(shard, "entries")  # what was fetched is fetched once more
        found = _checked(store, shard, at, expected)
        if found is None:
            raise fault
    return found


def _checked(store: ShardStore, shard: Shard, at: NDArray[np.int32], expected: pa.Array) -> pa.Table | None:
    """Read entries; nothing where they are not what was written."""
    if expected.null_count:
        return _rows(store.file(shard, "entries"), at)
    file = store.open(shard, "entries")
    try:
        table = _rows(file, at)
        return table if list(digests(table)) == expected.to_pylist() else None
    except _BROKEN:
        return None


def _rows(path: Path, at: NDArray[np.int32]) -> pa.Table:
    with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        group = np.searchsorted(starts, at, side="right") - 1
        needed = np.unique(group)
        if not len(needed):
            return _SCHEMA.empty_table()
        table = file.read_row_groups(needed.tolist(), columns=list(HEAVY), use_threads=False)
    before = np.concatenate([[0], np.cumsum(np.asarray(sizes)[needed])])
    place = before[np.searchsorted(needed, group)] + at - starts[group]
    return table.select(list(HEAVY)).take(pa.array(place)).cast(_SCHEMA).combine_chunks()
