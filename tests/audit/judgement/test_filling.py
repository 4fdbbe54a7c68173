"""Taking out and putting in: only the window changes, whatever the sample is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement.filling import feather, fill_from, fill_smoothly, fit_patch

DTYPES = st.sampled_from([np.uint8, np.uint16])
CHANNELS = st.sampled_from([1, 3, 4])


@st.composite
def holes(draw):
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    y1, x1 = draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width))
    dtype = draw(DTYPES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    pixels = rng.integers(0, np.iinfo(dtype).max, (height, width, draw(CHANNELS)), dtype, endpoint=True)
    return pixels, (y0, x0, y1, x1)


def only_the_window_changed(before, after, window):
    y0, x0, y1, x1 = window
    outside = np.ones(before.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    return after.dtype == before.dtype and np.array_equal(after[outside], before[outside])


@given(holes())
def test_filling_smoothly_changes_the_window_only(hole):
    pixels, window = hole
    original = pixels.copy()
    after = fill_smoothly(pixels, window, np.random.default_rng(0))
    assert only_the_window_changed(original, after, window)
    np.testing.assert_array_equal(pixels, original)


@given(holes(), st.integers(1, 9), st.integers(1, 9), DTYPES, CHANNELS)
def test_a_patch_of_any_kind_changes_the_window_only(hole, height, width, dtype, channels):
    pixels, window = hole
    patch = np.full((height, width, channels), np.iinfo(dtype).max, dtype)
    assert only_the_window_changed(pixels, fill_from(pixels, window, patch), window)


@pytest.mark.parametrize("window", [(0, 0, 10, 10), (0, 5, 9, 16), (20, 20, 30, 30), (0, 0, 30, 30)])
@pytest.mark.parametrize(("dtype", "level"), [(np.uint8, 90), (np.uint16, 40000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_flat_sample_stays_flat_inside_at_its_borders_and_whole(window, dtype, level, channels):
    pixels = np.full((30, 30, channels), level, dtype)
    np.testing.assert_array_equal(fill_smoothly(pixels, window, np.random.default_rng(0)), pixels)
    np.testing.assert_array_equal(fill_from(pixels, window, pixels[:7, :5]), pixels)


def test_a_ramp_is_continued_by_its_sides():
    ramp = np.tile(np.arange(60, dtype=np.uint8) * 4, (60, 1))[..., None]
    holed = ramp.copy()
    holed[20:40, 20:40] = 255
    filled = fill_smoothly(holed, (20, 20, 40, 40), np.random.default_rng(0))
    error = np.abs(filled[20:40, 20:40].astype(float) - ramp[20:40, 20:40])
    assert error.mean() < 12
    assert np.abs(255.0 - ramp[20:40, 20:40]).mean() > 100


def test_the_grain_is_that_of_the_surroundings():
    rng = np.random.default_rng(1)
    noisy = np.clip(rng.normal(120, 10, (80, 80, 1)), 0, 255).astype(np.uint8)
    filled = fill_smoothly(noisy, (30, 30, 50, 50), rng)[30:50, 30:50].astype(float)
    assert 6 < filled.std() < 14


@st.composite
def boxes(draw, axes):
    sides = [draw(st.integers(1, (60, 20, 8)[axes - 1])) for _ in range(axes)]
    starts = [draw(st.integers(0, side - 1)) for side in sides]
    ends = [draw(st.integers(start + 1, side)) for start, side in zip(starts, sides, strict=True)]
    return (*sides, draw(st.integers(1, 3))), (*starts, *ends)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
@given(data=st.data())
def test_only_the_window_changes_on_any_number_of_axes(axes, kind, data):
    shape, window = data.draw(boxes(axes))
    rng = np.random.default_rng(0)
    values = (rng.normal(size=shape) * 100).astype(kind)
    patch = (rng.normal(size=(*[5] * axes, shape[-1])) * 100).astype(kind)
    outside = np.ones(shape, bool)
    outside[tuple(slice(*ends) for ends in zip(window[:axes], window[axes:], strict=True))] = False
    for after in (fill_smoothly(values, window, rng), fill_from(values, window, patch)):
        assert after.dtype == kind
        assert np.isfinite(after).all()
        np.testing.assert_array_equal(after[outside], values[outside])


def test_a_hole_in_a_line_is_closed_by_the_line_by_hand():
    """Without noise the sides' means are joined by their distances: 10 on the left, 40 on the right."""
    line = np.zeros((24, 1), np.float32)
    line[:10], line[14:] = 10, 40
    filled = fill_smoothly(line, (10, 14), np.random.default_rng(0))
    np.testing.assert_allclose(filled[10:14, 0], [16, 22, 28, 34], rtol=1e-6)


def test_a_hole_in_a_flat_volume_is_closed():
    flat = np.full((9, 8, 7, 2), -700, np.int16)
    holed = flat.copy()
    holed[3:6, 2:5, 2:6] = 900
    np.testing.assert_array_equal(fill_smoothly(holed, (3, 2, 2, 6, 5, 6), np.random.default_rng(0)), flat)


def test_a_patch_of_a_trace_is_resampled_and_of_a_volume_taken_voxel_by_voxel():
    np.testing.assert_allclose(fit_patch(np.array([[0.0], [2]]), (4,))[:, 0], [0, 0.5, 1.5, 2])
    cube = np.arange(8.0).reshape(2, 2, 2, 1)
    loop = [[[cube[z // 2, y, x // 2, 0] for x in range(4)] for y in range(2)] for z in range(4)]
    np.testing.assert_array_equal(fit_patch(cube, (4, 2, 4))[..., 0], loop)


def test_traces_fade_over_a_sixth_of_the_patch_however_long_it_is():
    host, patch = np.zeros((400, 1), np.float32), np.ones((240, 1), np.float32)
    pasted = fill_from(host, (80, 320), patch)[80:320, 0]
    np.testing.assert_allclose(pasted[:40], np.arange(1, 41) / 40, rtol=1e-6)
    np.testing.assert_allclose(pasted[::-1][:40], np.arange(1, 41) / 40, rtol=1e-6)
    assert (pasted[40:200] == 1).all()


def test_leads_that_a_patch_lacks_get_what_its_leads_have_in_common():
    host, patch = np.zeros((60, 3), np.float32), np.tile(np.array([[1.0, 3.0]], np.float32), (30, 1))
    np.testing.assert_array_equal(fill_from(host, (10, 40), patch)[25], [2, 2, 2])


def naive_feather(height, width, sides):
    reach = min(max(min(height, width) / 6, 1), 4)
    top, left, bottom, right = sides

    def weight(y, x):
        ends = [(top, y + 1), (left, x + 1), (bottom, height - y), (right, width - x)]
        return min([1.0, *(steps / reach for is_open, steps in ends if is_open)])

    return [[weight(y, x) for x in range(width)] for y in range(height)]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (7, 7), (12, 8), (30, 40)])
@pytest.mark.parametrize("sides", [(True,) * 4, (False, True, True, False), (False,) * 4])
def test_the_feather_is_the_distance_to_the_border_in_sixths_of_the_shorter_side(height, width, sides):
    np.testing.assert_allclose(
        feather((height, width), sides)[..., 0], naive_feather(height, width, sides), rtol=1e-6
    )


@pytest.mark.parametrize(("side", "kept"), [(8, 0.89), (12, 0.85), (16, 0.80), (24, 0.77), (48, 0.88)])
def test_most_of_a_patch_stays_however_small(side, kept):
    assert feather((side, side)).mean() == pytest.approx(kept, abs=0.01)


def test_nothing_fades_along_the_border_of_the_sample():
    host, patch = np.zeros((40, 40, 1), np.uint8), np.full((24, 24, 1), 200, np.uint8)
    pasted = fill_from(host, (0, 16, 24, 40), patch)
    assert (pasted[:20, 20:] == 200).all()
    assert pasted[23, 30] == pasted[5, 16] == 50


def test_a_patch_can_be_blended_in_by_parts():
    host, patch = np.full((20, 20, 1), 40, np.uint8), np.full((8, 8, 1), 200, np.uint8)
    levels = [fill_from(host, (6, 6, 14, 14), patch, strength)[10, 10, 0] for strength in (0, 0.25, 0.5, 1)]
    assert levels == [40, 80, 120, 200]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_a_patch_is_fitted_by_its_nearest_pixel(h, w, height, width):
    patch = np.arange(h * w * 2, dtype=np.uint16).reshape(h, w, 2)
    fitted = fit_patch(patch, (height, width))
    loop = [[patch[y * h // height, x * w // width] for x in range(width)] for y in range(height)]
    np.testing.assert_array_equal(fitted, np.array(loop, np.float32))


def test_the_middle_of_a_pasted_patch_is_the_patch():
    host = np.zeros((30, 30, 3), np.uint8)
    patch = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    pasted = fill_from(host, (5, 5, 17, 17), patch)
    np.testing.assert_array_equal(pasted[8:14, 8:14], patch[3:9, 3:9])
    np.testing.assert_array_equal(pasted[5, 6], np.round(patch[0, 1] / 2))


@pytest.mark.parametrize(
    ("host", "patch", "middle"),
    [
        ((np.uint16, 1), (np.uint8, (255,)), (65535,)),
        ((np.uint8, 1), (np.uint16, (25700,)), (100,)),
        ((np.uint8, 1), (np.uint8, (30, 60, 90)), (60,)),
        ((np.uint8, 3), (np.uint8, (70,)), (70, 70, 70)),
        ((np.uint8, 3), (np.uint8, (10, 20, 30, 255)), (10, 20, 30)),
        ((np.uint8, 4), (np.uint8, (10, 20, 30)), (10, 20, 30, 255)),
    ],
)
def test_a_patch_takes_the_bits_and_channels_of_its_host(host, patch, middle):
    pixels = np.zeros((20, 20, host[1]), host[0])
    crop = np.tile(np.array(patch[1], patch[0]), (12, 12, 1))
    assert tuple(fill_from(pixels, (4, 4, 16, 16), crop)[10, 10]) == middle
