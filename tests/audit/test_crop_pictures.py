import numpy as np
import pytest

from foveal_audit.charts import WIDTH, lane_height
from foveal_audit.crop_pictures import field_of, picture_of, whole_of
from foveal_audit.spans import Span


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_and_its_map_stay_what_they_are(kind, top, channels):
    pixels = np.full((5, 7, channels), top, kind)
    pixels[2] = 0
    assert (picture_of(pixels) == np.where(pixels > 0, 255, 0)).all()
    map_ = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert field_of(map_, (5, 7)) is map_


@pytest.mark.parametrize(("channels", "shown"), [(2, 1), (5, 3)])
def test_a_picture_of_many_channels_becomes_one_of_few(channels, shown):
    pixels = np.arange(4 * 4 * channels, dtype=np.uint8).reshape(4, 4, channels)
    np.testing.assert_array_equal(picture_of(pixels), pixels[..., :shown])


def test_a_picture_in_a_unit_of_its_own_is_scaled_to_what_it_spans():
    pixels = np.linspace(-500, 1500, 16, dtype=np.int16).reshape(4, 4, 1)
    drawn = picture_of(pixels, Span((-500.0,), (1500.0,)))
    assert (drawn.min(), drawn.max()) == (0, 255)
    assert (np.diff(drawn.ravel().astype(int)) > 0).all()


def test_a_trace_becomes_a_strip_chart_and_its_map_spans_of_time():
    trace = np.zeros((500, 2), np.float32)
    trace[250:] = 5
    drawn = picture_of(trace)
    assert drawn.shape == (2 * lane_height(2), WIDTH, 3)
    lane = drawn[: lane_height(2), :, 0] < 128
    assert lane[:20, 70:].any()
    assert not lane[:20, :60].any()
    field = field_of(np.array([0, 3, -1], np.float32), (500,))
    np.testing.assert_array_equal(field, [[0, 3, -1]])


def test_crops_on_one_scale_can_be_told_apart_by_their_height():
    low, high = np.full((64, 1), 1, np.float32), np.full((64, 1), 9, np.float32)
    span = Span((0.0,), (10.0,))
    rows = [np.argwhere(picture_of(one, span)[..., 0] < 128)[:, 0].mean() for one in (low, high)]
    assert rows[0] - rows[1] > 40


def test_the_map_of_a_volume_is_cut_where_its_crop_is_cut():
    sides = (8, 10, 12)
    volume = np.zeros((*sides, 1), np.float32)
    map_ = np.zeros(sides, np.float32)
    for place in ((4, 2, 3), (1, 5, 7), (6, 8, 6)):
        volume[place], map_[place] = 1, 1
    drawn, field = picture_of(volume, Span((0.0,), (1.0,))), field_of(map_, sides)
    assert field.shape == drawn.shape[:2]
    np.testing.assert_array_equal(np.argwhere(field > 0.5), np.argwhere(drawn[..., 0] == 255))
    assert (field > 0.5).sum() == 3


def test_a_map_of_a_volume_whose_crop_is_unknown_keeps_its_proportions():
    field = field_of(np.ones((2, 3, 4), np.float32))
    assert field.shape == (8 * (3 + 2) + 2, 8 * (4 + 2) + 2)
    bad = np.full((2, 3, 4), np.nan, np.float32)
    assert np.isfinite(field_of(bad)).all()


def test_of_a_whole_trace_a_span_of_time_is_named():
    trace = np.zeros((1000, 1), np.float32)
    trace[500:600] = 1
    picture, frame = whole_of(trace, (500, 600), 224)
    assert picture.shape == (lane_height(1), 224, 3)
    assert frame == (0.0, 0.5, 1.0, 0.6)
    inside = (picture[:10, :, 0] < 128).any(0)
    assert inside[114:132].all()
    assert not inside[:108].any()


def test_of_a_whole_volume_the_slice_through_the_window_is_shown():
    volume = np.zeros((9, 40, 60, 1), np.uint8)
    volume[6, 10:20, 30:40] = 200
    picture, frame = whole_of(volume, (5, 10, 30, 8, 20, 40), 224)
    assert picture.shape == (40, 60, 3)
    assert frame == (10 / 40, 30 / 60, 20 / 40, 40 / 60)
    assert (picture[10:20, 30:40] == 200).all()
    assert picture.astype(int).sum() == 200 * 300
