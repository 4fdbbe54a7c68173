"""The tables of a shard: records to Arrow and Parquet, and back.

A shard holds two tables. ``samples`` has one row per observed sample, ``entries`` one per entry, ordered by
feature. Beside the fields of the records an entry carries where it belongs: ``sample_at`` (row of its sample
in the same shard), ``number`` (its place among the entries of that sample) and ``sample_sha256``.

The same records give the same bytes with the same version of pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from itertools import pairwise
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
    ]
)

#: Small groups: reading one feature then touches its own part of a shard, not all of it.
_ROW_GROUP = 1000


def samples_table(observations: Sequence[Observation]) -> pa.Table:
    """Make the table of samples, one row per observation, in their order."""
    return _table(SAMPLES, [vars(observation.sample) for observation in observations])


def entries_table(observations: Sequence[Observation]) -> pa.Table:
    """Make the table of entries, ordered by feature and then as they come."""
    rows = [
        _entry_row(entry, observation.sample, at, number)
        for at, observation in enumerate(observations)
        for number, entry in enumerate(observation.entries)
    ]
    return _table(ENTRIES, sorted(rows, key=lambda row: clean_text(row["feature"])))


#: What makes each of a shard's tables.
TABLES = {"samples": samples_table, "entries": entries_table}


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
    sink = pa.BufferOutputStream()
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=texts, row_group_size=_ROW_GROUP, version="2.6"
    )
    return bytes(sink.getvalue())


def _table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    arrays = [_column(field, [row[field.name] for row in rows]) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    convert = _CONVERT.get(field.type)
    return pa.array([convert(value) for value in values] if convert else values, type=field.type)


def clean_text(text: str) -> str:
    """Write a text as it is stored: bytes of a file name that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _clean(value: Any) -> Any:  # noqa: ANN401 - one cell of any column
    return clean_text(value) if isinstance(value, str) else value


def _pairs(mapping: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted((clean_text(key), _clean(value)) for key, value in mapping.items())


_CONVERT: dict[pa.DataType, Callable[[Any], Any]] = {
    pa.string(): _clean,
    _TEXTS: _pairs,
    SAMPLES.field("activations").type: _pairs,
}


def _entry_row(entry: Entry, sample: SampleRecord, at: int, number: int) -> dict[str, Any]:
    own = {
        "map": entry.map.ravel(),
        "map_shape": entry.map.shape,
        "sample_sha256": sample.sample_sha256,
        "sample_at": at,
        "number": number,
    }
    return {**vars(entry), **own}


_BACK: dict[str, Callable[[Any], Any]] = {
    "scores": tuple,
    "shape": tuple,
    "window": tuple,
    "metadata": dict,
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
