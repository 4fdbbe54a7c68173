"""How crops look, whatever the model thinks of them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import hog

from foveal_audit.units.appearance import (
    Shifted,
    detail,
    gradients,
    luminance,
    resize_crop,
    shifted_correlation,
    tones,
)


def naive_correlation(detail):
    """Go through pairs and shifts one by one."""
    number = len(detail)
    best = np.full((number, number), -1.0)
    for a in range(number):
        for b in range(number):
            if a == b:
                continue
            middle = detail[a, 6:26, 6:26].ravel()
            for dy in range(0, 13, 2):
                for dx in range(0, 13, 2):
                    part = detail[b, dy : dy + 20, dx : dx + 20].ravel()
                    best[a, b] = max(best[a, b], np.corrcoef(middle, part)[0, 1])
    return best


def test_shifted_correlation_is_what_a_loop_finds():
    crops = np.random.default_rng(0).normal(size=(6, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(shifted_correlation(crops), naive_correlation(crops), atol=1e-5)


def test_crops_of_two_sets_are_correlated_as_in_one_set():
    crops = np.random.default_rng(3).normal(size=(9, 32, 32)).astype(np.float32)
    across = Shifted.of(crops[:4]).correlation(Shifted.of(crops[4:]))
    np.testing.assert_allclose(across, shifted_correlation(crops)[:4, 4:], atol=1e-6)


def awkward_crops():
    """Noise, few levels (many slopes right between two orientations), edges, diagonals and nothing at all."""
    rng = np.random.default_rng(4)
    drawn = np.zeros((5, 3, 32, 32))
    drawn[0, :, :, 16:], drawn[1, :, 16:], drawn[2], drawn[3] = 1, 0.5, np.eye(32), np.eye(32)[::-1]
    parts = rng.random((70, 3, 32, 32)), rng.integers(0, 4, (70, 3, 32, 32)) / 3, drawn
    return np.concatenate(parts).astype(np.float32)


def test_gradients_are_those_of_scikit_image():
    crops = awkward_crops()
    wanted = [hog(one, 8, (8, 8), (1, 1)) for one in luminance(crops)]
    np.testing.assert_allclose(gradients(crops), np.sqrt(wanted), atol=1e-6)
    assert gradients(crops[:0]).shape == (0, 128)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (4, -6), (-2, 6)])
def test_a_shifted_copy_matches_fully_and_itself_never(dy, dx):
    scene = np.random.default_rng(1).normal(size=(48, 48)).astype(np.float32)
    crops = np.stack([scene[8:40, 8:40], scene[8 + dy : 40 + dy, 8 + dx : 40 + dx]])
    match = shifted_correlation(crops)
    assert match[0, 1] == pytest.approx(1, abs=1e-5)
    assert match[0, 0] == match[1, 1] == -1


def test_flat_crops_match_nothing():
    assert shifted_correlation(np.zeros((2, 32, 32), np.float32))[0, 1] == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_and_sixteen_bits_look_the_same(channels):
    eight = np.random.default_rng(2).integers(0, 256, (20, 14, channels), dtype=np.uint8)
    small, large = resize_crop(eight), resize_crop(eight.astype(np.uint16) * 257)
    assert small.shape == (channels, 32, 32)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, large, atol=1e-6)
    assert 0 <= small.min() <= small.max() <= 1


def test_descriptions_have_their_shapes_and_ignore_light():
    crops = np.random.default_rng(3).uniform(0, 0.5, (5, 3, 32, 32)).astype(np.float32)
    assert luminance(crops).shape == (5, 32, 32)
    assert gradients(crops).shape == (5, 128)
    np.testing.assert_allclose(detail(crops + 0.3), detail(crops), atol=1e-5)
    np.testing.assert_allclose(gradients(crops + 0.3), gradients(crops), atol=1e-3)


def test_detail_of_a_flat_crop_is_nothing():
    assert np.abs(detail(np.full((2, 1, 32, 32), 0.7, np.float32))).max() < 1e-6


def test_tones_by_hand():
    """Pure red: lightness 1/3, red against green 1/2, blue against yellow -1/4; nothing varies."""
    red = np.zeros((1, 3, 32, 32), np.float32)
    red[:, 0] = 1
    np.testing.assert_allclose(tones(red)[0], [1 / 3, 1 / 2, -1 / 4, *[0] * 6], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_tones_of_any_number_of_channels(channels):
    crops = np.random.default_rng(4).uniform(0, 1, (4, channels, 32, 32)).astype(np.float32)
    assert tones(crops).shape == (4, 2 * channels + 3)


def test_tones_see_colour_and_grain_where_gradients_do_not():
    rng = np.random.default_rng(5)
    grey = rng.uniform(0.3, 0.5, (1, 1, 32, 32)).astype(np.float32)
    red, blue = (grey + 0.3 * np.eye(3, dtype=np.float32)[n][None, :, None, None] for n in (0, 2))
    np.testing.assert_allclose(gradients(red), gradients(blue), atol=1e-4)
    assert np.abs(tones(red) - tones(blue)).max() > 0.1
    fine, coarse = tones(grey)[0, 2:], tones(np.repeat(np.repeat(grey[..., ::8, ::8], 8, 2), 8, 3))[0, 2:]
    assert fine.argmax() == 0
    assert coarse.argmax() == 2
