"""Windows against a brute-force twin that interpolates, cuts and adds up pixel by pixel."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal.crops import cut, cut_map, enlarge, find_windows, window_size


def interpolated(grid, shape):
    """Interpolate bilinearly between cell centres, one pixel at a time."""
    out = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            places = []
            for at, cells, pixels in ((y, grid.shape[0], shape[0]), (x, grid.shape[1], shape[1])):
                centre = min(max((at + 0.5) * cells / pixels - 0.5, 0), cells - 1)
                low = int(centre)
                places.append([(low, 1 - (centre - low)), (min(low + 1, cells - 1), centre - low)])
            out[y, x] = sum(grid[i, j] * wi * wj for i, wi in places[0] for j, wj in places[1])
    return out


def best_sum(heat, side):
    """Move the window over every pixel."""
    height, width = heat.shape
    return max(
        heat[y : y + side[0], x : x + side[1]].sum()
        for y in range(height - side[0] + 1)
        for x in range(width - side[1] + 1)
    )


grids = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(-8, 8, width=32)
)


@given(
    grids,
    st.tuples(st.integers(8, 30), st.integers(8, 30)),
    st.tuples(st.integers(2, 12), st.integers(2, 12)),
)
@settings(deadline=None, max_examples=60)
def test_windows_against_the_twin(grid, shape, side):
    heat = interpolated(grid.clip(min=0).astype(float), shape)
    np.testing.assert_allclose(enlarge(grid.clip(min=0), shape), heat, atol=1e-5)
    found = find_windows(grid, shape, side, max_windows=3, min_share=0.15)
    assert bool(found) == (grid.max() > 0)
    side = (min(side[0], shape[0]), min(side[1], shape[1]))
    for one in found:
        y0, x0, y1, x1 = one.window
        assert 0 <= y0 < y1 <= shape[0]
        assert 0 <= x0 < x1 <= shape[1]
        assert (y1 - y0, x1 - x0) == side
        assert one.score == pytest.approx(heat[y0:y1, x0:x1].sum() / heat.sum(), rel=1e-6)
    if found:
        # The centring term may give up a thousandth of the sum, no more.
        assert found[0].score * heat.sum() >= best_sum(heat, side) * (1 - 2e-3)
        assert all(one.score >= 0.15 * max(other.score for other in found) - 1e-9 for one in found)
    for number, one in enumerate(found):
        for other in found[:number]:
            a, b = one.window, other.window
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def averaged(grid, shape):
    """Repeat every cell until each pixel covers whole ones, and average those."""
    fine = grid.repeat(shape[0], axis=0).repeat(shape[1], axis=1)
    return fine.reshape(shape[0], grid.shape[0], shape[1], grid.shape[1]).mean((1, 3))


@given(grids, st.data())
@settings(deadline=None, max_examples=60)
def test_samples_of_fewer_pixels_than_cells_against_the_twin(grid, data):
    shape = tuple(data.draw(st.integers(1, cells)) for cells in grid.shape)
    heat = averaged(grid.clip(min=0).astype(float), shape)
    np.testing.assert_allclose(enlarge(grid.clip(min=0), shape), heat, atol=1e-6)
    found = find_windows(grid, shape, (1, 1), max_windows=1)
    assert bool(found) == (grid.max() > 0)
    for one in found:
        assert one.score == pytest.approx(heat.max() / heat.sum(), rel=2e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("shape", "window"), [((1, 1), (0, 0, 1, 1)), ((2, 3), (0, 2, 1, 3))])
def test_mass_between_the_centres_of_a_tiny_samples_pixels_counts(shape, window):
    grid = np.zeros((16, 16), np.float32)
    grid[0, 15] = 1
    (found,) = find_windows(grid, shape, (1, 1))
    assert (found.window, found.score) == (window, 1)


@given(
    grids.filter(lambda grid: grid.max() > 0),
    st.tuples(st.integers(30, 300), st.integers(30, 300)),
    st.integers(20, 90),
)
@settings(deadline=None, max_examples=60)
def test_cells_lie_below_the_window(grid, shape, side):
    for found in find_windows(grid, shape, (side, side)):
        part = cut_map(grid, found.window, shape)
        assert np.array_equal(part, grid[found.cells])
        assert part.size > 0
        for axis, (rows, low, high) in enumerate(
            zip(found.cells, found.window[:2], found.window[2:], strict=True)
        ):
            scale = shape[axis] / grid.shape[axis]
            centres = (np.arange(rows.start, rows.stop) + 0.5) * scale
            if len(centres) > 1:
                assert (centres >= low).all()
                assert (centres < high).all()


def test_windows_of_a_sample_that_was_resized_out_of_shape_lie_in_its_own_pixels():
    grid = np.zeros((6, 6), np.float32)
    grid[4, 1] = 1
    # The network saw a square; the sample is 60 high and 240 wide: a cell is 10 x 40 of its pixels.
    (found,) = find_windows(grid, (60, 240), (20, 40))
    y0, x0, y1, x1 = found.window
    assert abs((y0 + y1) / 2 - 45) <= 1
    assert abs((x0 + x1) / 2 - 60) <= 2
    assert found.cells == (slice(4, 5), slice(1, 2)) or grid[found.cells].max() == 1


def test_a_blob_smaller_than_the_window_is_centred():
    grid = np.zeros((12, 12), np.float32)
    grid[5, 7] = 3
    (found,) = find_windows(grid, (96, 96), (40, 40))
    assert found.window == (24, 40, 64, 80)
    assert found.score == pytest.approx(1)


def test_two_blobs_give_two_windows_best_first():
    grid = np.zeros((12, 12), np.float32)
    grid[2, 2], grid[9, 8] = 1, 2
    first, second = find_windows(grid, (96, 96), (24, 24))
    assert first.window == (64, 56, 88, 80)
    assert second.window == (8, 8, 32, 32)
    assert (first.score, second.score) == pytest.approx((2 / 3, 1 / 3), rel=0.02)
    assert find_windows(grid, (96, 96), (24, 24), max_windows=1) == [first]
    assert find_windows(grid, (96, 96), (24, 24), min_share=0.6) == [first]


def test_windows_stay_inside_at_the_border():
    grid = np.zeros((6, 6), np.float32)
    grid[0, 5] = 1
    (found,) = find_windows(grid, (96, 96), (32, 32))
    assert found.window == (0, 64, 32, 96)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan, np.inf])
def test_maps_without_positive_finite_mass_have_no_windows(value):
    assert find_windows(np.full((4, 4), value, np.float32), (32, 32), (8, 8)) == []


def test_large_samples_move_the_window_by_more_than_a_pixel():
    grid = np.zeros((16, 16), np.float32)
    grid[3, 12] = 1
    (found,) = find_windows(grid, (1600, 1600), (400, 400))
    y0, x0, y1, x1 = found.window
    assert abs((y0 + y1) / 2 - 350) <= 25
    assert abs((x0 + x1) / 2 - 1250) <= 25
    assert (y1 - y0, x1 - x0) == (400, 400)


@pytest.mark.parametrize("long", [10_000, 4_097, 16_387])
@pytest.mark.parametrize("side", [3, 400, 4_000])
def test_a_long_line_is_searched_on_a_coarser_ruler(long, side):
    grid = np.random.default_rng(long + side).random((1, 9)).astype(np.float32) ** 4
    (found,) = find_windows(grid, (1, long), (1, side), max_windows=1)
    heat = interpolated(grid.astype(float), (1, long))
    _, x0, _, x1 = found.window
    assert 0 <= x0 < x1 <= long
    assert x1 - x0 == side
    assert found.score == pytest.approx(heat[:, x0:x1].sum() / heat.sum(), rel=5e-3)
    assert found.score * heat.sum() >= best_sum(heat, (1, side)) * (1 - 5e-3)


def test_memory_is_bounded_whatever_the_samples_shape():
    grid = np.zeros((14, 14), np.float32)
    grid[3, 11] = 1
    tracemalloc.start()
    try:
        for pixels in (2**26, 2**26 - 1, *range(5_000, 5_200)):
            (found,) = find_windows(grid, (1, pixels), (1, 8))
            assert abs(found.window[1] / pixels - 11.5 / 14) < 1e-3
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20e6
    assert kept < 5e6


@pytest.mark.parametrize(
    ("setting", "shape", "side"),
    [
        ("auto", (96, 96, 1), (32, 32)),
        ("auto", (480, 640, 3), (160, 160)),
        ("auto", (100, 300), (32, 32)),
        ("auto", (16, 16), (8, 8)),
        ("auto", (6, 30), (6, 8)),
        (24, (96, 96), (24, 24)),
        ((16, 40), (96, 96), (16, 40)),
        ([200, 40], (96, 96), (96, 40)),
    ],
)
def test_window_size(setting, shape, side):
    assert window_size(setting, shape) == side


def test_cutting():
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(cut(pixels, (1, 2, 3, 5)), pixels[1:3, 2:5])
    grid = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert cut_map(grid, (0, 0, 16, 16), (32, 32)).tolist() == [[0, 1], [4, 5]]
    assert cut_map(grid, (9, 9, 11, 11), (32, 32)).tolist() == [[5]]


@pytest.mark.parametrize("places", [((5, 2), (5, 9)), ((2, 5), (9, 5))])
def test_windows_may_stand_side_by_side(places):
    grid = np.zeros((12, 12), np.float32)
    for number, place in enumerate(places):
        grid[place] = 2 - number
    windows = [found.window for found in find_windows(grid, (96, 96), (32, 32))]
    middles = [((y0 + y1) / 2, (x0 + x1) / 2) for y0, x0, y1, x1 in windows]
    assert middles == [(8 * y + 4, 8 * x + 4) for y, x in places]
