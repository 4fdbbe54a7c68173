"""The tables of a shard: records to Arrow and Parquet, and back.

A shard holds two tables. ``samples`` has one row per observed sample, ``entries`` one per entry, ordered by
feature. Beside the fields of the records an entry carries where it belongs: ``sample_at`` (row of its sample
in the same shard), ``number`` (its place among the entries of that sample), ``sample_sha256`` and the
sample's ``spacing``.

Columns that came later (:data:`LATER`) are in a shard only where a record says something there: shards of
older versions lack them too, and so do those of pictures, which stay byte for byte what they were.

The same records give the same bytes with the same version of pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foveal.errors import UsageError, nearest
from foveal.records import Entry, Observation, SampleRecord

_FLOATS = pa.list_(pa.float32())
_INTEGERS = pa.list_(pa.int32())
_NUMBERS = pa.list_(pa.float64())
_TEXTS = pa.map_(pa.string(), pa.string())

SAMPLES = pa.schema(
    [
        pa.field("sample", pa.string(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("time", pa.string(), nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("scores", _FLOATS, nullable=False),
        pa.field("activations", pa.map_(pa.string(), _FLOATS), nullable=False),
        pa.field("model_sha256", pa.string(), nullable=False),
        pa.field("config_sha256", pa.string(), nullable=False),
        pa.field("sample_sha256", pa.string(), nullable=False),
        pa.field("shape", _INTEGERS, nullable=False),
        pa.field("label", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("metadata", _TEXTS, nullable=False),
        pa.field("spacing", _NUMBERS),
    ]
)

ENTRIES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("feature", pa.string(), nullable=False),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("window", _INTEGERS, nullable=False),
        pa.field("activation", pa.float64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("crop", pa.large_binary(), nullable=False),
        pa.field("map", _FLOATS, nullable=False),
        pa.field("map_shape", _INTEGERS, nullable=False),
        pa.field("vector", _FLOATS, nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("layer", pa.string(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("time", pa.string(), nullable=False),
        pa.field("model_sha256", pa.string(), nullable=False),
        pa.field("config_sha256", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("metadata", _TEXTS, nullable=False),
        pa.field("sample_sha256", pa.string(), nullable=False),
        pa.field("sample_at", pa.int32(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("spacing", _NUMBERS),
        pa.field("band", _NUMBERS),
    ]
)

#: Columns that a shard may lack.
LATER = ("spacing", "band")

#: Small groups: reading one feature, or a few entries, then touches its own part of a shard, not all of it.
_ROW_GROUP = 1000
_FEWEST = 16
_GROUP_BYTES = 1 << 20
#: Bytes for what Parquet says about a file, beside the values.
_ROOM = 1 << 20


def samples_table(observations: Sequence[Observation]) -> pa.Table:
    """Make the table of samples, one row per observation, in their order."""
    return _table(SAMPLES, [observation.sample for observation in observations], {})


def entries_table(observations: Sequence[Observation]) -> pa.Table:
    """Make the table of entries, ordered by feature and then as they come."""
    owned = [
        (entry, observation.sample, at, number)
        for at, observation in enumerate(observations)
        for number, entry in enumerate(observation.entries)
    ]
    owned.sort(key=lambda one: clean_text(one[0].feature))
    entries = [entry for entry, _, _, _ in owned]
    made = {
        "map": _floats([entry.map for entry in entries]),
        "map_shape": pa.array([entry.map.shape for entry in entries], _INTEGERS),
        "vector": _floats([entry.vector for entry in entries]),
        "sample_sha256": _texts([sample.sample_sha256 for _, sample, _, _ in owned], pa.string()),
        "sample_at": pa.array([at for _, _, at, _ in owned], pa.int32()),
        "number": pa.array([number for _, _, _, number in owned], pa.int32()),
        "spacing": pa.array([sample.spacing for _, sample, _, _ in owned], _NUMBERS),
    }
    return _table(ENTRIES, entries, made)


#: What makes each of a shard's tables.
TABLES = {"samples": samples_table, "entries": entries_table}


def stored(columns: Iterable[str], present: Iterable[str]) -> list[str]:
    """Leave out the columns that a shard may lack and does lack."""
    known = set(present)
    return [name for name in columns if name in known or name not in LATER]


def completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give a table the columns of a schema, in its order; those that its shard lacks are null."""
    arrays = [
        table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def to_samples(table: pa.Table) -> list[SampleRecord]:
    """Read samples back from a table with all columns."""
    return [SampleRecord(**_own(row, SampleRecord)) for row in table.to_pylist()]


def to_entries(table: pa.Table) -> list[Entry]:
    """Read entries back from a table with all columns."""
    columns = table.drop_columns(["map", "vector"]).to_pylist()
    arrays = zip(columns, _arrays(table["map"]), _arrays(table["vector"]), strict=True)
    return [
        Entry(**{**_own(row, Entry), "map": map_.reshape(row["map_shape"]), "vector": vector})
        for row, map_, vector in arrays
    ]


def node_activations(samples: pa.Table, layer: str) -> NDArray[np.float32]:
    """Give the activations of all nodes of a layer.

    Parameters
    ----------
    samples
        A table of samples, in any order.
    layer
        A node layer recorded in every one of them.

    Returns
    -------
    ndarray
        float32 (samples, nodes), in the order of the table.

    Raises
    ------
    UsageError
        If a sample was recorded without that layer.
    """
    rows = pc.map_lookup(samples["activations"], layer, "first")
    widths = pc.unique(pc.list_value_length(rows)).to_pylist()
    if rows.null_count or len(widths) > 1:
        raise UsageError(f"Not every sample has activations of layer {layer!r}", _mend(samples, layer))
    values: NDArray[np.float32] = pc.list_flatten(rows).to_numpy()
    return values.reshape(len(samples), sum(widths))


def _mend(samples: pa.Table, layer: str) -> str:
    layers = {name for chunk in samples["activations"].chunks for name in chunk.keys.to_pylist()}
    return nearest(layer, sorted(layers))


def parquet_bytes(table: pa.Table) -> bytes:
    """Write a table as Parquet; equal tables give equal bytes."""
    return bytes(parquet_view(table))


def parquet_view(table: pa.Table) -> memoryview:
    """Write a table as Parquet, without a copy of what is written."""
    room = table.nbytes + table.nbytes // 8 + _ROOM
    while True:
        try:
            return _written(table, room)
        except OSError as fault:  # memory that is never touched costs nothing, growing bit by bit does
            if "out of bounds" not in str(fault):
                raise
            room *= 2


def _written(table: pa.Table, room: int) -> memoryview:
    """Write a table into so much memory.

    Raises
    ------
    OSError
        If it takes more.
    """
    memory = np.empty(room, np.uint8)
    sink = pa.FixedSizeBufferWriter(pa.py_buffer(memory))
    pq.write_table(
        table,
        sink,
        compression={field.name: "none" if _is_bytes(field) else "snappy" for field in table.schema},
        use_dictionary=[field.name for field in table.schema if _repeats(field)],
        write_statistics=[name for name in ("feature", "id", "sample", "unit") if name in table.column_names],
        row_group_size=_rows_per_group(table),
        version="2.6",
    )
    return memory.data[: sink.tell()]


def _repeats(field: pa.Field) -> bool:
    return bool(pa.types.is_string(field.type)) and field.name != "id"


def _is_bytes(field: pa.Field) -> bool:
    return bool(pa.types.is_large_binary(field.type))


def _rows_per_group(table: pa.Table) -> int:
    """Say how many rows are read together: of crops as many as make a megabyte."""
    crops = sum(table[field.name].nbytes for field in table.schema if _is_bytes(field))
    per_row = crops / max(len(table), 1)
    return min(_ROW_GROUP, max(_FEWEST, int(_GROUP_BYTES / per_row))) if per_row else _ROW_GROUP


def _table(schema: pa.Schema, records: Sequence[Any], made: Mapping[str, pa.Array]) -> pa.Table:
    """Make a table of the records' own fields and of columns that are made already."""
    arrays = [made[field.name] if field.name in made else _column(field, records) for field in schema]
    whole = pa.Table.from_arrays(arrays, schema=schema)
    silent = (name for name in LATER if name in schema.names)
    return whole.drop_columns([name for name in silent if whole[name].null_count == len(whole)])


def _column(field: pa.Field, records: Sequence[Any]) -> pa.Array:
    values = list(map(attrgetter(field.name), records))
    return _MAKE.get(field.type, pa.array)(values, field.type)


def clean_text(text: str) -> str:
    """Write a text as it is stored: bytes of a file name that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _texts(values: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([value if value is None else clean_text(value) for value in values], kind)


def _joined(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    """Make a column of bytes with one copy of them: Arrow's own way copies them as often as it grows."""
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _floats(arrays: Sequence[NDArray[np.float32]]) -> pa.ListArray:
    """Make a column of lists of the numbers of each array."""
    offsets = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int32)
    flat = np.concatenate([np.empty(0, np.float32), *(array.ravel() for array in arrays)])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()))


def _maps(mappings: Sequence[Mapping[str, Any]], kind: pa.MapType) -> pa.MapArray:
    """Make a column of mappings with their keys in order; entries share those of their sample."""
    known: dict[int, list[tuple[str, Any]]] = {}
    for mapping in mappings:
        if id(mapping) not in known:
            known[id(mapping)] = sorted((clean_text(key), value) for key, value in mapping.items())
    pairs = [known[id(mapping)] for mapping in mappings]
    offsets = pa.array(np.cumsum([0, *map(len, pairs)], dtype=np.int32))
    keys = _texts([key for own in pairs for key, _ in own], pa.string())
    values = [value for own in pairs for _, value in own]
    items = _MAKE.get(kind.item_type, pa.array)(values, kind.item_type)
    return pa.MapArray.from_arrays(offsets, keys, items, kind)


_MAKE: dict[pa.DataType, Callable[[Sequence[Any], Any], pa.Array]] = {
    pa.string(): _texts,
    pa.large_binary(): _joined,
    _TEXTS: _maps,
    SAMPLES.field("activations").type: _maps,
}


_BACK: dict[str, Callable[[Any], Any]] = {
    "scores": tuple,
    "shape": tuple,
    "window": tuple,
    "metadata": dict,
    **dict.fromkeys(LATER, lambda values: None if values is None else tuple(values)),
    "activations": lambda pairs: {layer: tuple(values) for layer, values in pairs},
}


def _own(row: dict[str, Any], record: type[SampleRecord] | type[Entry]) -> dict[str, Any]:
    """Pick a record's own fields from a row and give them their types."""
    names = (field.name for field in fields(record) if field.name in row)
    return {name: _BACK[name](row[name]) if name in _BACK else row[name] for name in names}


def _arrays(column: pa.ChunkedArray) -> Iterable[NDArray[np.float32]]:
    """Give the float lists of a column as arrays of their own."""
    for chunk in column.chunks:
        flat, offsets = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
        yield from (flat[start:stop].copy() for start, stop in pairwise(offsets))
