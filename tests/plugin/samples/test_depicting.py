"""Pictures of traces and volumes: what was planted in the values can be read off the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from foveal.samples import depicting, render, strips
from foveal.samples.colours import display
from foveal.samples.depicting import depict, draw_small, overlay, thumbnail, tile
from foveal.samples.legend import INK, PAPER
from foveal.samples.slices import draw_slices, eight_bits, place_of
from foveal.samples.strips import MOST_LANES, draw_strips


@dataclass(frozen=True, eq=False)
class Object:
    window: tuple
    mask: np.ndarray
    score: float = 0.5
    level: float = 0.5


def boxed(shape, *window):
    mask = np.zeros(shape, bool)
    axes = len(shape)
    mask[tuple(slice(a, b) for a, b in zip(window[:axes], window[axes:], strict=True))] = True
    return Object(window, mask)


def ink(picture):
    return (np.asarray(picture) == INK).all(-1)


def test_a_trace_is_drawn_lane_by_lane():
    """A ramp and a step: the ink of each column lies where the values are, low at the bottom."""
    values = np.stack([np.arange(200.0), np.arange(200) >= 100], 1)
    picture = draw_strips(values, 200)
    lane = picture.height // 2
    columns = ink(picture)
    rows = [np.nonzero(columns[:lane, x])[0].mean() for x in (5, 50, 100, 150, 195)]
    assert (np.diff(rows) < 0).all()
    assert rows[2] == pytest.approx((rows[0] + rows[-1]) / 2, abs=2)
    low, high = (np.nonzero(columns[lane:, x])[0].mean() for x in (50, 150))
    assert low - high > lane / 2


@pytest.mark.parametrize("steps", [1, 2, 30, 100, 5000, 441_000])
def test_every_extreme_shows(steps):
    """One step that stands out is seen whatever the zoom, and every column has ink."""
    values = np.zeros((steps, 1))
    values[steps // 2] = 1 if steps > 1 else 0
    columns = ink(draw_strips(values, 120))
    assert columns.any(axis=0).all()
    if steps > 1:
        assert columns[:6].any(axis=0).argmax() == pytest.approx(
            steps // 2 / steps * 120, abs=121 / steps + 1
        )


def test_heat_and_boxes_lie_at_their_time():
    values, heat = np.zeros((400, 1)), np.zeros(400)
    heat[100:120], heat[300:310] = 1, -1
    plain = np.asarray(draw_strips(values, 200))
    shaded = np.asarray(draw_strips(values, 200, heat=heat))
    changed = (plain != shaded).any(-1).any(0)
    assert set(np.nonzero(changed)[0]) == {*range(50, 60), *range(150, 155)}
    orange, blue = shaded[3, 55].astype(int), shaded[3, 152].astype(int)
    assert orange[0] > orange[2]
    assert blue[2] > blue[0]
    box = np.asarray(draw_strips(values, 200, regions=[boxed((400,), 100, 140)]))
    assert set(np.nonzero((plain != box).any(-1)[10])[0]) == {50, 51, 68, 69}


def test_names_and_seconds_are_written_where_there_is_room():
    values = np.zeros((500, 20))
    wide = draw_strips(values, 400, spacing=(0.01,), channels=("MLII",))
    steps = draw_strips(values, 400)
    assert np.asarray(wide).shape == np.asarray(steps).shape
    assert (np.asarray(wide) != np.asarray(steps)).any()
    small = draw_strips(values, 100)
    assert small.height % MOST_LANES == 0
    assert small.width == 100


def test_a_volumes_slices_go_through_what_was_found():
    values = np.zeros((10, 12, 14, 1), np.uint8)
    values[7, 3, 11] = 200
    spot = boxed((10, 12, 14), 6, 2, 10, 9, 5, 13)
    assert place_of(values, [spot]) == (7, 3, 11)
    assert place_of(values, []) == (5, 6, 7)
    heat = np.zeros((10, 12, 14))
    picture = np.asarray(draw_slices(values, 14, heat=heat, regions=[spot]))
    # Slices across z (12 x 14), y (10 x 14) and x (10 x 12), six pixels of paper between them.
    assert picture.shape == (12, 14 + 6 + 14 + 6 + 12, 3)
    assert (picture[3, 11] == 200).all()
    assert (picture[7, 20 + 11] == 200).all()
    assert (picture[7, 40 + 3] == 200).all()
    assert (picture[:, 14:20] == PAPER).all()


def test_slices_share_one_scale():
    """The same weak evidence has the same colour in every slice, however strong another slice's is."""
    values = np.zeros((9, 9, 9, 1), np.uint8)
    heat = np.zeros((9, 9, 9))
    heat[4, 4, 4], heat[0, 4, 4] = 0.1, 1.0
    picture = np.asarray(draw_slices(values, 9, heat=heat)).astype(int)
    across_z, across_y = picture[4, 4], picture[4, 15 + 4]
    np.testing.assert_allclose(across_z, across_y, atol=1)


def test_grey_values_are_windowed():
    values = np.linspace(-1000, 3000, 8000, dtype=np.float32).reshape(20, 20, 20, 1)
    grey = eight_bits(values)
    assert (grey.min(), grey.max()) == (0, 255)
    assert np.mean((grey > 0) & (grey < 255)) > 0.9


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((300, 2), np.float32),
        ((40, 30, 3), np.uint8),
        ((40, 30, 1), np.uint16),
        ((8, 10, 12, 1), np.int16),
        ((1, 1), np.int16),
    ],
)
def test_every_sample_has_a_picture_tile_and_overlay(shape, kind):
    values = np.random.default_rng(0).integers(0, 255, shape).astype(kind)
    assert depict(values).mode == "RGB"
    assert max(tile(values, 56).size) == 56
    heat = np.random.default_rng(1).normal(size=shape[:-1])
    axes = len(shape) - 1
    region = boxed(shape[:-1], *[0] * axes, *shape[:-1])
    assert overlay(values, heat, [region], "told", stamp="STAMP", notes=["noted"]).mode == "RGB"
    assert overlay(values, np.zeros(shape[:-1]), [], "flat").mode == "RGB"
    ground = thumbnail(values, 64)
    assert draw_small(ground, np.zeros(ground.shape[:-1]), [], 64).mode == "RGB"


def test_images_are_drawn_as_before():
    values = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    heat = np.random.default_rng(1).normal(size=(40, 30))
    ours, theirs = overlay(values, heat, [], "told"), render.overlay(values, heat, [], "told")
    assert ours.tobytes() == theirs.tobytes()
    np.testing.assert_array_equal(np.asarray(depict(values)), display(values))


@pytest.mark.parametrize(("channels", "kind"), [(2, np.float32), (5, np.uint16), (1, np.int16)])
def test_images_of_other_forms_can_be_seen(channels, kind):
    values = np.zeros((6, 7, channels), kind)
    values[2, 3] = 5
    shown = display(values)
    assert shown.shape == (6, 7, 3)
    assert shown.dtype == np.uint8
    assert shown[2, 3].max() == 255
    assert shown[0, 0].max() == 0


def test_slices_are_told_in_millimetres_where_these_are_known():
    values = np.zeros((8, 10, 12, 1), np.uint8)
    assert depicting._slices(depicting.Scene(values, 64)) == ["slices, counted from 0: z 4, y 5, x 6"]
    assert depicting._slices(depicting.Scene(values, 64, spacing=(4.0, 0.5, 0.5))) == [
        "slices, counted from 0: z 4, y 5, x 6 (z 16.0, y 2.5, x 3.0 mm from the first)"
    ]


@pytest.mark.parametrize(("spacing", "ticks"), [((), "steps"), ((1 / 250,), "seconds")])
def test_a_small_chart_gets_an_axis_with_room_for_its_labels(spacing, ticks):
    """Ticks are 50 pixels apart at least: those of a trace of 4 s, or of its 1,000 steps, on 224 pixels."""
    plain = Image.new("RGB", (224, 60), (255, 255, 255))
    whole = np.asarray(strips.with_axis(plain, 1000, spacing))
    assert whole.shape[1] == 224
    inked = np.flatnonzero((whole[60] < 128).all(axis=1))
    assert np.diff(inked).min() >= 50, ticks
    assert len(inked) >= 2
