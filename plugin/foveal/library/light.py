"""Entries without their crops, kept beside the samples: enough to count, choose and order them.

The samples' file of a shard has one column more than there are fields of a sample: ``index``, the entries of
each sample with all their columns but crop, map and vector, with the row each has in the entries' file, and
with the hash of what is left out and the length of its vector. So a catalog is made without fetching one
crop, and of a shard only what was asked for needs to be read and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foveal.library.content import HEAVY
from foveal.library.schema import ENTRIES, SAMPLES, completed, stored

INDEX = "index"
#: What an entry has of its sample, and what its place in the column says.
_OF_SAMPLE = ("sample", "row", "source", "model_sha256", "config_sha256", "sample_sha256", "spacing")
_OWN = [name for name in ENTRIES.names if name not in (*HEAVY, *_OF_SAMPLE, "sample_at")]
_ITEM = pa.struct(
    [
        *(ENTRIES.field(name) for name in _OWN),
        pa.field("place", pa.int32(), nullable=False),
        pa.field("digest", pa.binary(), nullable=False),
        pa.field("dims", pa.int32(), nullable=False),
    ]
)

#: All columns of :func:`read_light`.
LIGHT = pa.schema(
    [
        *(field for field in ENTRIES if field.name not in HEAVY),
        pa.field("place", pa.int32(), nullable=False),
        pa.field("digest", pa.binary()),
        pa.field("dims", pa.int32(), nullable=False),
    ]
)


def with_index(samples: pa.Table, entries: pa.Table, hashes: Sequence[bytes]) -> pa.Table:
    """Put the entries of a shard, with hashes of what is heavy in its place, beside its samples."""
    item = _item(entries.column_names)
    own = [name for name in item.names if name in entries.column_names]
    light = entries.select([*own, "sample_at"])  # what is not kept here need not be sorted either
    numbered = light.append_column("place", pa.array(np.arange(len(entries), dtype=np.int32)))
    numbered = numbered.append_column("digest", pa.array(hashes, pa.binary()))
    numbered = numbered.append_column("dims", pc.list_value_length(entries["vector"]))
    ordered = numbered.sort_by([("sample_at", "ascending"), ("number", "ascending")]).combine_chunks()
    arrays = [ordered[field.name].combine_chunks() for field in item]
    owned = np.bincount(entries["sample_at"].to_numpy(), minlength=len(samples))
    offsets = pa.array(np.concatenate([[0], np.cumsum(owned)]).astype(np.int32))
    items = pa.StructArray.from_arrays([_array(array) for array in arrays], fields=list(item))
    return samples.append_column(
        pa.field(INDEX, pa.list_(item)), pa.ListArray.from_arrays(offsets, items, pa.list_(item))
    )


def _item(present: Sequence[str]) -> pa.StructType:
    """Say what the column holds of each entry, where the entries' table has these columns."""
    return pa.struct(
        [_ITEM.field(name) for name in stored(_ITEM.names, [*present, "place", "digest", "dims"])]
    )


def read_light(samples: Path) -> pa.Table | None:
    """Read a shard's entries from its samples' file; nothing where an older Foveal wrote it."""
    file = pq.ParquetFile(samples)
    if INDEX not in file.schema_arrow.names:
        return None
    told = stored(_OF_SAMPLE, file.schema_arrow.names)
    table = file.read(columns=[*told, INDEX], use_threads=False).combine_chunks()
    lists = _array(table[INDEX].combine_chunks())
    owners = pc.list_parent_indices(lists).cast(pa.int32())
    items = lists.flatten()
    if not len(items):
        return LIGHT.empty_table()
    own = dict(zip(items.type.names, items.flatten(), strict=True))
    columns = own | {name: table[name].take(owners) for name in told} | {"sample_at": owners}
    light = pa.table({name: columns[name] for name in LIGHT.names if name in columns})
    return _cast(light).sort_by("place")


def light_of(entries: Path) -> pa.Table:
    """Read the same from an entries' file, where there is no index; the hashes are missing then."""
    names = [name for name in LIGHT.names if name in ENTRIES.names]
    present = stored(names, pq.read_schema(entries).names)
    table = pq.read_table(entries, columns=[*present, "vector"], partitioning=None)
    table = table.append_column("dims", pc.list_value_length(table["vector"]))
    table = table.append_column("place", pa.array(np.arange(len(table), dtype=np.int32)))
    table = table.append_column("digest", pa.nulls(len(table), pa.binary()))
    return _cast(table)


def _cast(table: pa.Table) -> pa.Table:
    """Give a table the columns of :data:`LIGHT`."""
    given = [field for field in LIGHT if field.name in table.column_names]
    return completed(table.select([field.name for field in given]).cast(pa.schema(given)), LIGHT)


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Give a column that has one piece as that piece, at most."""
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


assert INDEX not in SAMPLES.names  # noqa: S101 - a field of that name would hide it
