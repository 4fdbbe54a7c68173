"""Hashes of what records say: they outlive whatever wrote the files."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.library.content import digests, tables_sha256
from foveal.library.schema import entries_table, samples_table
from foveal.records import Observation

_NUMBERS = (("map", np.float32), ("map_shape", np.int32), ("vector", np.float32))
_SAMPLES = (("a", "cat"), ("b", None), ("scan-\u00fc.png", ""))
_SHIPPED = "7e3b2fdf169dd31c58f94f0a6957b3278e0eac3c601f581417e856195464aa8b"


def naive_bytes(values, kind):
    """Write a column as the hash takes it, value by value."""
    missing = np.array([value is None for value in values], bool).tobytes()
    if pa.types.is_string(kind):
        texts = [None if value is None else value.encode() for value in values]
        sizes = np.array([-1 if text is None else len(text) for text in texts], np.int32)
        return missing + sizes.tobytes() + b"".join(text for text in texts if text is not None)
    if pa.types.is_map(kind) or pa.types.is_list(kind):
        sizes = missing + np.array([-1 if one is None else len(one) for one in values], np.int32).tobytes()
        flat = [item for value in values if value is not None for item in value]
        if pa.types.is_list(kind):
            return sizes + naive_bytes(flat, kind.value_type)
        keys, items = [key for key, _ in flat], [item for _, item in flat]
        return sizes + naive_bytes(keys, kind.key_type) + naive_bytes(items, kind.item_type)
    return missing + np.array(values, kind.to_pandas_dtype()).tobytes()


def naive_digest(entry):
    arrays = (np.array(entry[name], kind).tobytes() for name, kind in _NUMBERS)
    parts = [entry["crop"], *arrays]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()[:16]


def naive_sha256(tables):
    text = b""
    for kind, table in tables.items():
        for name in table.column_names:
            if name not in ("crop", "map", "map_shape", "vector"):
                values = table[name].to_pylist()
                text += f"{kind} {name} {len(table)}".encode() + naive_bytes(values, table[name].type)
    return hashlib.sha256(text + b"".join(map(naive_digest, tables["entries"].to_pylist()))).hexdigest()


def made(observations):
    return {"samples": samples_table(observations), "entries": entries_table(observations)}


@settings(max_examples=40)
@given(observations=st.lists(st.from_type(Observation), max_size=4))
def test_the_hash_is_that_of_the_values_one_by_one(observations):
    tables = made(observations)
    assert tables_sha256(tables) == naive_sha256(tables)
    assert list(digests(tables["entries"])) == list(map(naive_digest, tables["entries"].to_pylist()))


@settings(max_examples=20)
@given(observations=st.lists(st.from_type(Observation), min_size=2, max_size=4), data=st.data())
def test_the_hash_of_a_piece_of_a_table_is_that_of_the_piece(observations, data):
    tables = made(observations)
    start = data.draw(st.integers(0, len(tables["samples"])))
    piece = {kind: table.slice(start, 2) for kind, table in tables.items()}
    assert tables_sha256(piece) == naive_sha256(piece)


def test_records_keep_the_hash_that_shipped_libraries_hold_of_them(observe):
    tables = made([observe(name, label=label, metadata={"site": "ß"}) for name, label in _SAMPLES])
    assert tables_sha256(tables) == _SHIPPED


@pytest.mark.parametrize("column", ["crop", "map", "vector"])
def test_another_value_gives_another_digest(observe, column):
    (entry,) = (row for row in entries_table([observe("a", features=("fc1:7",))]).to_pylist())
    changed = {**entry, column: b"x" if column == "crop" else [*entry[column], 1.0]}
    schema = entries_table([]).schema
    one, other = (pa.Table.from_pylist([row], schema=schema) for row in (entry, changed))
    assert list(digests(one)) != list(digests(other))
