"""Columns of values with sizes of their own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.ragged import RaggedBytes, RaggedMaps, bounds_of


@given(st.lists(st.binary(max_size=9), max_size=8), st.data())
def test_texts_are_cut_out_as_they_were_put_in(texts, data):
    bounds = bounds_of(np.array([len(text) for text in texts], dtype=np.int64))
    column = RaggedBytes(np.frombuffer(b"".join(texts), np.uint8), bounds)
    assert len(column) == len(texts)
    assert [column[row] for row in range(len(texts))] == texts
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=5) if texts else st.just([]))
    chosen = column[np.array(rows, dtype=np.int64)]
    assert [chosen[row] for row in range(len(rows))] == [texts[row] for row in rows]


def test_maps_keep_their_grids():
    maps = [np.arange(6, dtype=np.float32).reshape(2, 3), np.full((1, 1), 9, np.float32)]
    values = np.concatenate([one.ravel() for one in maps])
    column = RaggedMaps(values, bounds_of(np.array([6, 1])), np.array([[2, 3], [1, 1]]))
    for row, one in enumerate(maps):
        np.testing.assert_array_equal(column[row], one)
    chosen = column[np.array([False, True])]
    assert len(chosen) == 1
    assert chosen[0].tolist() == [[9.0]]


def test_bounds_go_on_from_where_others_ended():
    assert bounds_of(np.array([2, 0, 3]), 10).tolist() == [[10, 12], [12, 12], [12, 15]]
