"""Rows in order through a file, against sorting in memory; and drawing by lots."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.library import ordering
from foveal.library.lots import draw_lots
from foveal.library.ordering import Ordering, read_rows, write_rows


def rows(numbers):
    """Rows of the kinds that entries are made of, all told by their number."""
    return pa.table(
        {
            "text": pa.array([f"row {n}" for n in numbers], pa.string()),
            "crop": pa.array([bytes([n % 251]) * (n % 7) for n in numbers], pa.large_binary()),
            "map": pa.array([[float(n)] * (n % 3) for n in numbers], pa.list_(pa.float32())),
            "metadata": pa.array([[("n", str(n))] for n in numbers], pa.map_(pa.string(), pa.string())),
        }
    )


@given(
    order=st.integers(0, 60).flatmap(lambda n: st.permutations(range(n))),
    arriving=st.integers(1, 20),
    size=st.integers(1, 25),
    run=st.sampled_from((1, 600, 1 << 24)),
)
def test_whatever_order_rows_come_in_they_go_out_by_number(order, arriving, size, run):
    with pytest.MonkeyPatch.context() as patch, io.BytesIO() as file:
        patch.setattr(ordering, "_RUN", run)
        sorting = Ordering(file, size)
        for at in range(0, len(order), arriving):
            numbers = order[at : at + arriving]
            sorting.add(rows(numbers), pa.chunked_array([pa.array(numbers, pa.int64())]))
        pieces = list(sorting.pieces())
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    assert [row for piece in pieces for row in piece.to_pylist()] == rows(range(len(order))).to_pylist()


def test_rows_that_are_kept_are_read_as_they_were_written():
    whole = rows(range(10))
    with io.BytesIO() as file:
        write_rows(pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=4)), file)
        pieces = list(read_rows(file, 3))
    assert [len(piece) for piece in pieces] == [3, 1, 3, 1, 2]
    assert pa.concat_tables(pieces).to_pylist() == whole.to_pylist()


def lots(count, at_once):
    """Rows with lots as good as random, in batches."""
    given_ = np.random.default_rng(7).integers(0, 1 << 64, count, np.uint64)
    for at in range(0, count, at_once):
        yield pa.array(range(at, min(at + at_once, count)), pa.int64()), pa.array(given_[at : at + at_once])


def test_the_draw_is_the_same_however_the_rows_come():
    whole = draw_lots(lots(50, 50), 50, 1)
    assert sorted(whole.tolist()) == list(range(50))
    for at_once in (1, 7, 50):
        for n in (0, 1, 9, 49, 50, 80):
            assert draw_lots(lots(50, at_once), n, 1).tolist() == whole[:n].tolist()


def test_every_row_is_drawn_as_often_as_any_other_at_every_place():
    """Over 4,000 seeds each of 8 rows comes first, second and third 500 times, give or take 5 sigma."""
    drawn = np.array([draw_lots(lots(8, 8), 3, seed) for seed in range(4000)])
    for place in drawn.T:
        assert np.abs(np.bincount(place, minlength=8) - 500).max() < 5 * np.sqrt(4000 * 7 / 64)
    pairs = np.bincount(drawn[:, 0] * 8 + drawn[:, 1], minlength=64).reshape(8, 8)
    assert not pairs.diagonal().any()
    assert np.abs(pairs[~np.eye(8, dtype=bool)] - 4000 / 56).max() < 5 * np.sqrt(4000 / 56)
