"""Hashes of what records say, whatever file they are in and whatever wrote it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foveal.library.manifests import Kind

#: The heavy columns of an entry, which its own hash covers.
HEAVY = ("crop", "map", "map_shape", "vector")
#: Bytes of an entry's hash.
_DIGEST = 16


class _Hash(Protocol):
    def update(self, data: memoryview | bytes, /) -> None:
        """Go on with more bytes."""


def tables_sha256(tables: Mapping[Kind, pa.Table], entries: Sequence[bytes] | None = None) -> str:
    """Hash the tables of a shard by what they say; the hashes of what is heavy may be known already."""
    total = hashlib.sha256()
    for kind, table in tables.items():
        for name in table.column_names:
            if name not in HEAVY:
                total.update(f"{kind} {name} {len(table)}".encode())
                _feed(total, table[name].combine_chunks())
        if kind == "entries":
            total.update(b"".join(digests(table) if entries is None else entries))
    return total.hexdigest()


def digests(entries: pa.Table) -> Iterator[bytes]:
    """Hash crop, map and vector of every entry."""
    columns = [_slices(entries[name]) for name in HEAVY]
    for parts in zip(*columns, strict=True):
        one = hashlib.sha256()
        for part in parts:
            one.update(len(part).to_bytes(8, "little"))
            one.update(part)
        yield one.digest()[:_DIGEST]


def _slices(column: pa.ChunkedArray) -> Iterator[memoryview]:
    """Give the bytes of each value of a column of bytes or of lists of numbers."""
    for chunk in column.chunks:
        if pa.types.is_large_binary(chunk.type):
            data, width = memoryview(chunk.buffers()[2] or b""), 1
            offsets = np.frombuffer(chunk.buffers()[1], np.int64)[
                chunk.offset : chunk.offset + len(chunk) + 1
            ]
        else:
            values = chunk.values.to_numpy(zero_copy_only=False)
            data, width = memoryview(values).cast("B") if len(values) else memoryview(b""), values.itemsize
            offsets = chunk.offsets.to_numpy()
        bounds = (offsets * width).tolist()
        yield from (data[start:stop] for start, stop in pairwise(bounds))


def _text(array: pa.Array) -> memoryview:
    """Give the texts of a column without nulls, one after the other, as UTF-8."""
    _, offsets, text = array.buffers()
    if not len(array) or text is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, np.int32)
    return memoryview(text)[bounds[array.offset] : bounds[array.offset + len(array)]]


def _feed(total: _Hash, array: pa.Array) -> None:
    """Hash the values of an array: what is null, how long each value is, and the values themselves."""
    total.update(pc.is_null(array).to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_string(array.type):
        total.update(pc.fill_null(pc.binary_length(array), -1).to_numpy().tobytes())
        total.update(_text(array.drop_null()))
    elif pa.types.is_map(array.type):
        total.update(np.diff(array.offsets.to_numpy()).tobytes())
        _feed(total, array.keys)
        _feed(total, array.items)
    elif pa.types.is_list(array.type):
        total.update(pc.fill_null(pc.list_value_length(array), -1).to_numpy().tobytes())
        _feed(total, pc.list_flatten(array))
    else:
        total.update(array.to_numpy(zero_copy_only=False).tobytes())
