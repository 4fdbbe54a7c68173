"""Burnt-in text is found and filled in; pictures without text stay as they are."""

import numpy as np
import pytest
from burnt_in_text import LINES, clean_pictures, drawn, found_lines, ultrasound

from foveal.samples.keeping import kept_bytes
from foveal.samples.kinds import get_kind
from foveal.samples.medical.burnt_in import text_mask, without_text


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("examples_jpeg2k.dcm", 18),
        ("examples_rgb_color.dcm", 17),
        ("examples_palette.dcm", 19),
        ("examples_ybr_color.dcm", 11),  # six of the missing seven stand in grey on a grey-blue bar
    ],
)
def test_text_in_real_ultrasound_is_found(name, least):
    values = ultrasound(name)
    mask = text_mask(values)
    assert found_lines(mask, values, LINES[name]) >= least
    assert mask.mean() < 0.2


def test_text_drawn_into_pictures_is_found():
    shares = [
        (text_mask(values) & strokes).sum() / strokes.sum()
        for values, strokes, _ in drawn(clean_pictures(), 12, seed=3)
    ]
    assert np.mean(shares) > 0.85


@pytest.mark.parametrize("name", clean_pictures())
def test_pictures_without_text_stay(name):
    values = clean_pictures()[name]
    assert without_text(values) is values


def page(dtype=np.uint8):
    """Draw text onto a slope; gives the slope, the page and the strokes."""
    slope = np.tile(np.arange(40, 240, dtype=np.uint8), (120, 1))[..., None]
    values, strokes, _ = next(drawn({"slope": slope}, 1, seed=4, sizes=(18,)))
    return slope.astype(dtype), values.clip(0, 255).astype(dtype), strokes


def test_nothing_of_the_text_is_left():
    _, values, strokes = page()
    hidden, mask = without_text(values), text_mask(values)
    assert (strokes & ~mask).sum() == 0
    np.testing.assert_array_equal(hidden[~mask], values[~mask])
    inside = mask[:, 1:] & mask[:, :-1]
    assert np.abs(np.diff(values[..., 0].astype(int), axis=1))[inside].max() > 50
    assert np.abs(np.diff(hidden[..., 0].astype(int), axis=1))[inside].max() < 25


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_every_type_and_volumes_slice_by_slice(dtype):
    plain, values, strokes = page(dtype)
    volume = np.stack([plain, values, plain])
    hidden = without_text(volume)
    assert hidden.dtype == dtype
    np.testing.assert_array_equal(hidden[[0, 2]], volume[[0, 2]])
    assert np.abs(hidden[1][strokes].astype(float) - volume[1][strokes]).mean() > 10


def test_an_empty_picture_and_a_trace_stay():
    for values in (np.zeros((8, 8, 1), np.uint8), np.zeros((100, 2), np.float32)):
        assert without_text(values) is values


def test_the_network_is_shown_the_text_and_the_spool_is_not(example):
    data = example("examples_palette.dcm")
    image = get_kind("image")
    values = image.decode(data, "x").values
    kept = image.decode(kept_bytes(image, data, values, hide_text=True), "x").values
    mask = text_mask(values)
    np.testing.assert_array_equal(kept[~mask], values[~mask])
    assert (
        found_lines(kept.max(axis=2) != values.max(axis=2), values, LINES["examples_palette.dcm"], 0.8) == 19
    )
    shown = image.decode(kept_bytes(image, data, values, hide_text=False), "x").values
    np.testing.assert_array_equal(shown, values)
