"""Pictures of the report, against what they must show."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal_audit.report import pictures


def crop(height, width, channels=1, value=128):
    return np.full((height, width, channels), value, np.uint8)


def decode(uri):
    kind, data = uri.split(",", 1)
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((32, 32), (96, 96)),
        ((30, 20), (120, 80)),
        ((48, 12), (96, 24)),
        ((80, 80), (96, 96)),  # a whole factor would be too large
        ((100, 50), (100, 50)),
        ((400, 200), (128, 64)),
        ((1, 1), (96, 96)),
        ((1, 500), (1, 128)),
    ],
)
def test_shown_sizes(size, shown):
    width, height = size
    assert pictures.tile(crop(height, width)).size == shown


@given(st.integers(1, 600), st.integers(1, 600))
def test_a_crop_is_shown_no_smaller_and_no_larger_than_agreed(height, width):
    shown = max(pictures.tile(crop(height, width)).size)
    assert pictures.SMALLEST <= shown <= pictures.LARGEST


def test_small_crops_keep_hard_pixels():
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 1), np.uint8)
    enlarged = np.asarray(pictures.tile(small))
    assert np.array_equal(enlarged, np.kron(small, np.ones((3, 3, 1))).repeat(3, 2))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_colour_and_transparency(channels):
    image = pictures.tile(crop(32, 32, channels, 255))
    assert image.mode == "RGB"
    assert image.getpixel((5, 5)) == (255, 255, 255)


def test_cividis_runs_from_dark_blue_to_yellow_and_gets_only_brighter():
    colours = pictures.cividis(np.linspace(0, 1, 50)[None])[0].astype(float)
    luminance = colours @ (0.2126, 0.7152, 0.0722)
    assert tuple(colours[0]) == (0, 34, 78)
    assert tuple(colours[-1]) == (254, 232, 56)
    assert (np.diff(luminance) > 0).all()


def test_the_outline_encloses_the_strong_evidence_and_leaves_its_middle_clear():
    raw = np.zeros((3, 3), np.float32)
    raw[1, 1] = 4
    pixels = np.asarray(pictures.overlay(crop(32, 32), raw))
    white = (pixels == 255).all(-1)
    rows, columns = np.nonzero(white)
    assert 16 < rows.min() < 48 < rows.max() < 80
    assert 16 < columns.min() < 48 < columns.max() < 80
    assert not white[40:56, 40:56].any()
    for dy, dx in ((0, 1), (1, 0)):  # every white pixel has a dark one beside it: visible on any ground
        dark = (pixels == 20).all(-1)
        assert (dark | np.roll(dark, (dy, dx), (0, 1)) | np.roll(dark, (-dy, -dx), (0, 1)))[
            white
        ].mean() > 0.5


def test_colour_lies_only_where_evidence_is_positive():
    raw = np.array([[-5, -5, -5, 1]], np.float32)
    pixels = np.asarray(pictures.overlay(crop(32, 32), raw)).astype(int)
    assert (pixels[:, :40] == 128).all()
    assert (pixels[:, -6:, 0] > pixels[:, -6:, 2]).all()  # yellowish


@pytest.mark.parametrize("raw", [np.zeros((4, 4)), np.full((4, 4), -1.0), np.full((1, 1), np.nan)])
def test_a_map_without_positive_evidence_draws_nothing(raw):
    drawn = np.asarray(pictures.overlay(crop(32, 32), raw.astype(np.float32)))
    assert (drawn == 128).all()


def test_an_outline_stays_open_at_the_crops_edge():
    drawn = np.asarray(pictures.overlay(crop(32, 32), np.ones((2, 2), np.float32)))
    assert not (drawn == 255).all(-1).any()


def test_a_generated_crop_is_framed_and_not_covered():
    plain, framed = pictures.tile(crop(32, 32)), pictures.synthetic(crop(32, 32))
    assert framed.size == (104, 104)
    assert np.array_equal(np.asarray(framed)[4:-4, 4:-4], np.asarray(plain))
    frame = np.asarray(framed)[:4].reshape(-1, 3)
    assert set(map(tuple, frame.tolist())) == {(20, 20, 20), (255, 255, 255)}


def test_a_montage_holds_every_tile_in_reading_order():
    tiles = [pictures.tile(crop(32, 32, 3, value)) for value in (10, 60, 110, 160, 210)]
    sheet = pictures.montage(tiles, columns=3)
    assert sheet.size == (3 * 96 + 2 * 8, 2 * 96 + 8)
    middles = [sheet.getpixel((48 + 104 * column, 48 + 104 * row)) for row in (0, 1) for column in (0, 1, 2)]
    assert middles[:5] == [(value, value, value, 255) for value in (10, 60, 110, 160, 210)]
    assert middles[5] == (0, 0, 0, 0)


def test_a_montage_of_few_tiles_is_no_wider_than_they_are():
    assert pictures.montage([pictures.tile(crop(32, 32))] * 2, columns=4).size == (200, 96)


def test_partners_stand_closer_than_pairs():
    tiles = [pictures.tile(crop(32, 32, 1, 200))] * 4
    row = np.asarray(pictures.montage(tiles, columns=4, paired=True))[50, :, 3]
    gaps = [len(run) for run in "".join("x" if alpha else " " for alpha in row).split("x") if run]
    assert gaps == [2, 18, 2]


def test_numbers_stand_under_the_tiles_and_leave_them_alone():
    tiles = [pictures.tile(crop(32, 32, 1, 200))] * 3
    plain, numbered = pictures.montage(tiles, 4), pictures.montage(tiles, 4, numbered=True)
    assert numbered.height > plain.height
    assert np.array_equal(np.asarray(numbered)[:96], np.asarray(plain)[:96])
    assert np.asarray(numbered)[96:, :, 3].any()


def test_where_is_bright_where_the_windows_lie():
    image = pictures.where([(0, 60, 30, 100), (10, 60, 40, 100)], extent=(100, 100), longest=100)
    assert image.size == (100, 100)
    assert image.getpixel((80, 20)) == (254, 232, 56)
    assert image.getpixel((10, 90)) == (0, 34, 78)
    assert image.getpixel((80, 5)) == image.getpixel((80, 35))


def test_where_keeps_the_shape_of_the_samples():
    assert pictures.where([(0, 0, 1, 1)], extent=(50, 200)).size == (160, 40)


def test_an_address_holds_the_picture():
    image = pictures.tile(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    assert np.array_equal(np.asarray(decode(pictures.png_uri(image))), np.asarray(image))


def test_grey_pictures_are_stored_grey():
    assert decode(pictures.png_uri(pictures.tile(crop(32, 32)))).mode == "L"
    assert decode(pictures.png_uri(pictures.montage([pictures.tile(crop(32, 32))], 1))).mode == "LA"


def test_equal_pictures_have_equal_addresses():
    assert pictures.png_uri(pictures.tile(crop(9, 9))) == pictures.png_uri(pictures.tile(crop(9, 9)))
