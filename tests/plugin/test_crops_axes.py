"""Windows on one and three axes: brute-force twins, toys worked out by hand, and the forms of two axes."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal import rulers
from foveal.crops import (
    cut,
    cut_map,
    enlarge,
    extent_of,
    find_windows,
    framed,
    inside,
    shifted,
    whole,
    window_size,
)
from foveal.errors import UsageError


def interpolated(grid, shape):
    """Interpolate linearly between cell centres, one step of the sample at a time."""
    out = np.zeros(shape)
    for place in np.ndindex(*shape):
        sides = []
        for at, cells, steps in zip(place, grid.shape, shape, strict=True):
            centre = min(max((at + 0.5) * cells / steps - 0.5, 0), cells - 1)
            low = int(centre)
            sides.append([(low, 1 - (centre - low)), (min(low + 1, cells - 1), centre - low)])
        out[place] = sum(
            grid[tuple(cell for cell, _ in corner)] * np.prod([weight for _, weight in corner])
            for corner in itertools.product(*sides)
        )
    return out


def best_sum(heat, sides):
    """Move the window over every place."""
    ranges = [range(length - side + 1) for length, side in zip(heat.shape, sides, strict=True)]
    return max(
        heat[tuple(slice(at, at + side) for at, side in zip(place, sides, strict=True))].sum()
        for place in itertools.product(*ranges)
    )


def maps(axes, side):
    shapes = hnp.array_shapes(min_dims=axes, max_dims=axes, max_side=side)
    return hnp.arrays(np.float32, shapes, elements=st.floats(-8, 8, width=32))


def overlap(one, other):
    axes = len(one) // 2
    return all(one[i] < other[axes + i] and other[i] < one[axes + i] for i in range(axes))


def check(grid, shape, window):
    heat = interpolated(grid.clip(min=0).astype(float), shape)
    np.testing.assert_allclose(enlarge(grid.clip(min=0), shape), heat, atol=1e-5)
    found = find_windows(grid, shape, window)
    assert bool(found) == (grid.max() > 0)
    sides = tuple(min(pair) for pair in zip(window, shape, strict=True))
    for one in found:
        assert extent_of(one.window) == sides
        assert all(
            0 <= part.start < part.stop <= length
            for part, length in zip(inside(one.window), shape, strict=True)
        )
        assert one.score == pytest.approx(heat[inside(one.window)].sum() / heat.sum(), rel=1e-6)
        np.testing.assert_array_equal(cut_map(grid, one.window, shape), grid[one.cells])
    if found:
        assert found[0].score * heat.sum() >= best_sum(heat, sides) * (1 - 2e-3)
    assert not any(overlap(a.window, b.window) for a, b in itertools.combinations(found, 2))


@given(maps(1, 9), st.integers(9, 60), st.integers(2, 20))
@settings(deadline=None, max_examples=60)
def test_one_axis_against_the_twin(grid, length, side):
    check(grid, (length,), (side,))


@given(maps(3, 4), st.tuples(*[st.integers(4, 9)] * 3), st.tuples(*[st.integers(2, 5)] * 3))
@settings(deadline=None, max_examples=20)
def test_three_axes_against_the_twin(grid, shape, window):
    check(grid, shape, window)


def test_a_trace_by_hand():
    # Cells of 10 steps; the mass lies in the fourth and, half as much, in the eighth.
    map_ = np.array([0, 0, 0, 4, 0, 0, 0, 2, 0, -9], np.float32)
    first, second = find_windows(map_, (100, 2), (20,))
    assert first.window == (25, 45)
    assert second.window == (65, 85)
    assert first.cells == (slice(3, 4),) or first.cells == (slice(2, 4),)
    # The linear rise and fall over 20 steps holds a quarter of its mass outside the middle 20 of 20.
    assert first.score == pytest.approx(2 * second.score, rel=1e-6)


def test_a_volume_by_hand():
    map_ = np.zeros((4, 4, 4), np.float32)
    map_[1, 2, 0] = 1
    (only,) = find_windows(map_, (16, 32, 8), (4, 8, 2), max_windows=1)
    assert only.window == (4, 16, 0, 8, 24, 2)
    assert only.cells == (slice(1, 2), slice(2, 3), slice(0, 1))


def test_windows_of_every_number_of_axes():
    assert inside((3, 9)) == (slice(3, 9),)
    assert inside((1, 2, 3, 4, 5, 6)) == (slice(1, 4), slice(2, 5), slice(3, 6))
    assert extent_of((1, 2, 3, 4, 7, 9)) == (3, 5, 6)
    assert shifted((1, 2), (10, 90)) == (11, 12)
    assert shifted((1, 2, 3, 4, 5, 6), (10, 20, 30, 99, 99, 99)) == (11, 22, 33, 14, 25, 36)
    assert whole((5, 6, 7, 3), 3) == (0, 0, 0, 5, 6, 7)
    values = np.arange(24).reshape(2, 3, 4, 1)
    np.testing.assert_array_equal(cut(values, (0, 1, 1, 2, 2, 4)), values[0:2, 1:2, 1:4])
    np.testing.assert_array_equal(framed(np.ones(3), (2, 5), (8,)), [0, 0, 1, 1, 1, 0, 0, 0])
    part = np.ones(8)
    assert framed(part, (0, 8), (8, 2)) is part


@pytest.mark.parametrize(
    ("setting", "shape", "sides"),
    [
        ("auto", (3600, 2), (400,)),
        ("auto", (100,), (10,)),
        ("auto", (20,), (8,)),
        ("auto", (5,), (5,)),
        ("auto", (12, 96, 60), (8, 32, 20)),
        (40, (100, 1), (40,)),
        ([30], (20,), (20,)),
        (6, (5, 9, 9), (5, 6, 6)),
        ((2, 3, 4), (9, 9, 9), (2, 3, 4)),
    ],
)
def test_the_windows_size(setting, shape, sides):
    assert window_size(setting, shape, len(sides)) == sides


def test_a_window_of_another_number_of_axes():
    with pytest.raises(UsageError) as caught:
        window_size([8, 8], (100, 1), 1)
    assert str(caught.value) == (
        "foveal.window has 2 sides, samples have 1 axis. Give 'auto', one side for all axes, or one per axis."
    )


@pytest.mark.parametrize(("cells", "length"), [(7000, 441_000), (441_000, 441_000), (441_000, 9000)])
def test_long_traces_take_little_memory(cells, length):
    map_ = np.zeros(cells, np.float32)
    map_[cells // 2] = 1
    tracemalloc.start()
    (found, *_) = find_windows(map_, (length, 1), (4410,))
    heat = enlarge(map_, (length,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.window[0] <= length / 2 <= found.window[1]
    assert abs(int(heat.argmax()) - length / 2) <= length / cells + 1
    assert peak < 3e8


@given(maps(1, 12), st.integers(1, 40))
@settings(deadline=None)
def test_step_by_step_is_as_by_matrix(grid, length):
    by_matrix = enlarge(grid, (length,))
    dense, rulers._DENSE = rulers._DENSE, 0
    try:
        np.testing.assert_allclose(enlarge(grid, (length,)), by_matrix, atol=1e-5)
    finally:
        rulers._DENSE = dense
