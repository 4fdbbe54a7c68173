"""Pictures: what must be in them, where, and what must not."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from foveal.regions import find_regions
from foveal.samples.render import display, overlay, viridis


def test_colours_are_viridis():
    values = np.linspace(0, 1, 101)
    reference = np.rint(mpl.colormaps["viridis"](values)[:, :3] * 255)
    assert np.abs(viridis(values) - reference).max() <= 4
    assert np.array_equal(viridis(np.array([-1, 2])), viridis(np.array([0, 1])))


def blob_map(*places):
    map_ = np.zeros((16, 16), np.float32)
    for y, x in places:
        map_[y, x] = 1
    return map_


def drawn(pixels, map_, caption="caption"):
    regions = find_regions(map_, pixels.shape)
    heat = np.kron(map_, np.ones((pixels.shape[0] // 16, pixels.shape[1] // 16)))
    return np.asarray(overlay(pixels, heat, regions, caption)), regions


def test_far_from_the_evidence_the_sample_shows_unchanged():
    pixels = np.full((64, 64, 1), 90, np.uint8)
    picture, _ = drawn(pixels, blob_map((12, 12)))
    assert (picture[:200, :200] == 90).all()
    assert (picture[12 * 28 + 14, 12 * 28 + 14] != 90).any()


def test_every_object_is_boxed_in_light_on_dark():
    pixels = np.full((64, 64, 1), 90, np.uint8)
    picture, regions = drawn(pixels, blob_map((3, 3), (12, 10)))
    assert len(regions) == 2
    for region in regions:
        y0, x0, y1, x1 = (7 * side for side in region.window)
        middle = (x0 + x1) // 2
        assert (picture[y1 + 1, middle] == 255).all()
        assert (picture[y1 + 3, middle] == 0).all()
        assert (picture[(y0 + y1) // 2, x1 + 1] == 255).all()


@pytest.mark.parametrize(
    ("shape", "size"), [((64, 64, 1), (448, 448)), ((32, 96, 3), (448, 1344)), ((480, 640, 4), (480, 640))]
)
def test_small_samples_are_enlarged_by_a_whole_factor(shape, size):
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    picture = overlay(pixels, np.zeros(shape[:2]), [])
    assert picture.mode == "RGB"
    assert picture.width == size[1]
    assert picture.height > size[0]
    zoom = size[0] // shape[0]
    assert np.array_equal(np.asarray(picture)[: size[0] : zoom, ::zoom], display(pixels))


def test_a_flat_map_stays_flat():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 1), dtype=np.uint8)
    nothing, _ = drawn(pixels, np.zeros((16, 16), np.float32))
    negative, _ = drawn(pixels, np.full((16, 16), -5, np.float32))
    assert np.array_equal(nothing, negative)


def test_sixteen_bits_are_stretched_over_what_the_sample_uses():
    pixels = np.linspace(1000, 3000, 400).astype(np.uint16).reshape(20, 20, 1)
    shown = display(pixels)
    assert (shown.min(), shown.max(), shown.dtype) == (0, 255, np.uint8)
    assert (display(np.full((4, 4, 1), 500, np.uint16)) == 0).all()


def test_objects_at_every_border_and_long_captions_fit():
    pixels = np.zeros((64, 64, 3), np.uint8)
    for place in ((0, 0), (0, 15), (15, 0), (15, 15)):
        picture, regions = drawn(pixels, blob_map(place), "a long caption " * 20)
        assert len(regions) == 1
        assert picture.shape[1] == 448
