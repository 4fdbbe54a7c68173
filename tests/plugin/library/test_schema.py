"""Records to Parquet and back."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.library import schema
from foveal.library.schema import (
    entries_table,
    node_activations,
    parquet_bytes,
    samples_table,
    to_entries,
    to_samples,
)
from foveal.records import Observation


def through_parquet(table):
    return pq.read_table(io.BytesIO(parquet_bytes(table)), partitioning=None)


def together(samples, entries):
    """Put the two tables of one shard back together, naively."""
    owned = {at: [] for at in range(len(samples))}
    order = entries["number"].to_pylist()
    for at, number, entry in zip(entries["sample_at"].to_pylist(), order, to_entries(entries), strict=True):
        owned[at].append((number, entry))
    return [
        Observation(sample, tuple(entry for _, entry in sorted(owned[at], key=lambda pair: pair[0])))
        for at, sample in enumerate(to_samples(samples))
    ]


@settings(max_examples=40)
@given(observations=st.lists(st.from_type(Observation), max_size=4))
def test_any_observations_come_back_as_they_were(observations, alike):
    tables = samples_table(observations), entries_table(observations)
    back = together(*map(through_parquet, tables))
    assert all(alike(one, other) for one, other in zip(back, observations, strict=True))


@settings(max_examples=20)
@given(observations=st.lists(st.from_type(Observation), max_size=3))
def test_the_same_records_give_the_same_bytes(observations):
    for make in (samples_table, entries_table):
        once = parquet_bytes(make(observations))
        assert parquet_bytes(make(observations)) == once


def test_a_name_that_is_no_text_is_escaped(observe):
    table = samples_table([observe("scan-\udcff.png", metadata={"\udcfe": "\udcfd"})])
    (sample,) = to_samples(through_parquet(table))
    assert sample.sample == r"scan-\udcff.png"
    assert sample.metadata == {r"\udcfe": r"\udcfd"}


def test_entries_of_a_feature_stand_together(observe):
    observations = [observe(name, features=("fc1:7", "contribution", "fc1:7")) for name in "ab"]
    table = entries_table(observations)
    assert table["feature"].to_pylist() == ["contribution"] * 2 + ["fc1:7"] * 4
    assert table["sample_at"].to_pylist() == [0, 1, 0, 0, 1, 1]
    assert table["number"].to_pylist() == [1, 1, 0, 2, 0, 2]


def test_empty_tables_keep_their_columns(observe):
    table = through_parquet(entries_table([observe(features=())]))
    assert len(table) == 0
    assert table.schema.field("crop").type == pa.large_binary()
    assert to_entries(table) == []


def test_a_table_that_takes_more_room_than_thought_gives_the_same_bytes(observe, monkeypatch):
    table = entries_table([observe(name) for name in "abc"])
    expected = parquet_bytes(table)
    monkeypatch.setattr(schema, "_ROOM", 1 - table.nbytes - table.nbytes // 8)
    assert parquet_bytes(table) == expected


def test_what_else_goes_wrong_while_writing_is_raised(observe, monkeypatch):
    def fail(*_args, **_options):
        raise OSError("no codec")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match=r"^no codec$"):
        parquet_bytes(entries_table([observe()]))


def test_as_many_crops_are_read_together_as_make_a_megabyte(observe):
    table = entries_table([observe(name, features=("fc1:7",)) for name in map(str, range(200))])
    large = table.set_column(
        table.schema.get_field_index("crop"),
        table.schema.field("crop"),
        pa.array([bytes(1 << 14)] * 200, pa.large_binary()),
    )
    file = pq.ParquetFile(io.BytesIO(parquet_bytes(large)))
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [
        63,
        63,
        63,
        11,
    ]
    assert file.read()["crop"].to_pylist() == [bytes(1 << 14)] * 200


def test_activations_of_a_layer_as_one_array(observe):
    rows = [observe(n, activations={"fc1": (float(n), 2.0), "conv": (3.0,)}, features=()) for n in "123"]
    whole = samples_table(rows)
    table = pa.concat_tables([whole, whole.slice(1, 2)])
    expected = [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0], [2.0, 2.0], [3.0, 2.0]]
    found = node_activations(table, "fc1")
    assert found.dtype == np.float32
    assert found.tolist() == expected
    assert node_activations(table, "conv").shape == (5, 1)
    assert node_activations(table.slice(0, 0), "fc1").shape == (0, 0)


def test_activations_of_an_unknown_layer_are_refused(observe):
    rows = [
        observe("a", activations={"fc1": (1.0,)}),
        observe("b", activations={"fc1": (1.0,), "fc2": (1.0,)}),
    ]
    with pytest.raises(UsageError) as caught:
        node_activations(samples_table(rows), "fc2")
    assert str(caught.value) == (
        "Not every sample has activations of layer 'fc2'. Did you mean 'fc2' or 'fc1'."
    )
