"""How a picture was taken, and what is harmless."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from foveal_audit.gaps.harmless import harmless_copy
from foveal_audit.gaps.style import picture_style, picture_styles


def picture(channels=3, side=48):
    rng = np.random.default_rng(0)
    soft = np.kron(rng.uniform(60, 180, (6, 6, channels)), np.ones((side // 6, side // 6, 1)))
    return (soft + rng.normal(0, 4, soft.shape)).clip(0, 255).astype(np.uint8)


def compressed(pixels, quality):
    with io.BytesIO() as stream:
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))


def test_a_flat_picture_by_hand():
    described = picture_style(np.full((16, 16, 1), 51, np.uint8))
    assert described.shape == (7 + 1 + 1 + 0 + 12 + 2,)
    np.testing.assert_allclose(described[:8], 0.2, rtol=1e-6)
    assert described[8] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(described[9:21], np.log(3 / 255), rtol=1e-3)
    assert described[21:].tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 3), (300, 500, 1), (3, 3, 4)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_any_picture_is_described(shape, depth):
    assert np.isfinite(picture_style(np.full(shape, 7, depth))).all()


def test_pictures_of_many_shapes_are_described_together_as_one_by_one():
    rng = np.random.default_rng(2)
    shapes = [(40, 40, 3), (20, 30, 1), (40, 40, 3), (300, 280, 4), (2, 9, 3), (300, 280, 4)]
    depths = [np.uint8, np.uint8, np.uint16, np.uint8, np.uint16, np.uint8]
    pictures = [
        rng.integers(0, np.iinfo(depth).max, shape, dtype=depth)
        for shape, depth in zip(shapes, depths, strict=True)
    ]
    for together, pixels in zip(picture_styles(pictures), pictures, strict=True):
        np.testing.assert_allclose(together, picture_style(pixels), atol=1e-6)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_colour_light_and_spread_are_those_of_the_sorted_pixels(depth):
    pixels = np.random.default_rng(3).integers(0, np.iinfo(depth).max, (11, 13, 3), dtype=depth)
    shares = pixels.reshape(-1, 3).astype(np.float64) / np.iinfo(depth).max
    ordered, tinge = np.sort(shares, axis=0), np.sort(np.diff(shares, axis=1), axis=0)
    ranks = np.rint(np.array([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]) * 142).astype(int)
    wanted = [ordered[ranks].ravel(), shares.mean(axis=0), shares.std(axis=0), tinge[[14, 71, 128]].ravel()]
    described = picture_style(pixels)
    np.testing.assert_allclose(described[:33], np.concatenate(wanted), atol=1e-5)


def test_noise_and_heavy_compression_show_and_slight_compression_hardly_does():
    plain = picture(1)
    noisy = (plain + np.random.default_rng(1).normal(0, 20, plain.shape)).clip(0, 255).astype(np.uint8)
    moved = {
        name: np.abs(picture_style(other) - picture_style(plain)).max()
        for name, other in (
            ("noisy", noisy),
            ("heavy", compressed(plain[..., 0], 15)[..., None]),
            ("slight", compressed(plain[..., 0], 95)[..., None]),
        )
    }
    assert moved["slight"] < 0.5 * moved["heavy"]
    assert moved["slight"] < 0.5 * moved["noisy"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_harmless_copies_are_hardly_different_and_always_the_same(channels):
    plain = picture(channels)
    copies = [harmless_copy(plain, np.random.default_rng(5)) for _ in range(2)]
    assert copies[0].shape == plain.shape
    assert copies[0].dtype == plain.dtype
    np.testing.assert_array_equal(copies[0], copies[1])
    assert 0 < np.abs(copies[0].astype(int) - plain).mean() < 10


def test_wide_pictures_are_not_compressed():
    wide = np.full((8, 8, 1), 40000, np.uint16)
    again = harmless_copy(wide, np.random.default_rng(0))
    assert again.dtype == np.uint16
    assert len(np.unique(again)) == 1
