"""Statistics of tiles on pictures whose numbers are known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from foveal_audit.properties.families import FAMILIES
from foveal_audit.properties.families.colour import colour
from foveal_audit.properties.families.compression import compression
from foveal_audit.properties.families.frame import frame
from foveal_audit.properties.families.grain import grain
from foveal_audit.properties.families.lines import lines
from foveal_audit.properties.families.strokes import strokes
from foveal_audit.properties.measuring import measure
from foveal_audit.properties.tiles import Batch, as_shares, is_measurable


def batch(*pictures):
    return Batch(np.stack(pictures).astype(np.float32))


def noise(seed=0, spread=0.05, side=64, channels=1):
    rng = np.random.default_rng(seed)
    return 0.5 + spread * rng.normal(size=(side, side, channels))


def middle(values):
    return float(np.median(values))


def test_tiles_are_cut_row_by_row_and_large_ones_in_their_middle():
    picture = np.arange(64)[:, None, None] * 100.0 + np.arange(64)[None, :, None]
    small = batch(picture).tiles[0]
    assert small.shape == (16, 16, 16)
    assert small[:, 0, 0].tolist() == [r * 1600.0 + c * 16 for r in range(4) for c in range(4)]
    large = batch(np.zeros((256, 400, 1)) + np.arange(400)[None, :, None]).tiles[0]
    assert large.shape == (16, 32, 32)
    assert large[1, 0, 0] == 100 + 34


def test_a_residual_has_neither_mean_nor_slope():
    y, x = np.mgrid[:64, :64]
    ramp = (0.01 * y - 0.003 * x)[..., None] + noise(spread=0.01)
    residual = batch(ramp).residual
    np.testing.assert_allclose(residual.mean(axis=(2, 3)), 0, atol=1e-5)
    assert residual.std() == pytest.approx(0.01, rel=0.1)


def test_colour_gives_medians_and_distances_from_the_mean_channel():
    picture = np.empty((64, 64, 3))
    picture[:] = (0.2, 0.5, 0.8)
    picture[:20, :20] = 1  # an object does not move the other tiles
    found = {name: middle(values) for name, values in colour(batch(picture)).items()}
    assert found == pytest.approx({"brightness": 0.5, "channel 0": -0.3, "channel 1": 0, "channel 2": 0.3})
    assert list(colour(batch(picture[..., :1]))) == ["brightness"]


@pytest.mark.parametrize("spread", [0.02, 0.08])
def test_noise_is_the_standard_deviation_of_white_noise(spread):
    assert np.exp(middle(grain(batch(noise(spread=spread)))["noise"])) == pytest.approx(spread, rel=0.1)


def test_blur_lowers_sharpness():
    plain = noise()
    soft = gaussian_filter(plain, (1.4, 1.4, 0))
    found = grain(batch(plain, soft))["sharpness"]
    assert (found[0] > found[1] + 0.3).all()


def test_bands_are_lying_lines_whatever_their_phase():
    banded = [
        noise(spread=0.02) + 0.2 * np.cos(2 * np.pi * (np.arange(64) + s) / 8)[:, None, None] for s in (0, 3)
    ]
    found = lines(batch(*banded, noise(spread=0.02)))
    assert (found["lying lines"][:2] > 0.9).all()
    assert (found["upright lines"][:2] < 0.1).all()
    assert (found["lying lines"][2] < 0.3).all()


def test_dark_hairs_are_dark_strokes_and_no_light_ones():
    haired = noise(spread=0.01)
    haired[:, ::12] -= 0.4
    plain = noise(spread=0.01)
    found = strokes(batch(haired, plain))
    assert middle(found["dark strokes"][0] - found["dark strokes"][1]) > 0.7
    assert abs(middle(found["light strokes"][0] - found["light strokes"][1])) < 0.3
    assert middle(found["asymmetry"][0]) < -1
    assert abs(middle(found["asymmetry"][1])) < 0.3


def test_jpeg_leaves_blocks():
    plain = gaussian_filter(noise(spread=0.3), (1, 1, 0))
    with io.BytesIO() as stream:
        Image.fromarray((np.clip(plain[..., 0], 0, 1) * 255).astype(np.uint8)).save(
            stream, "JPEG", quality=10
        )
        blocky = np.asarray(Image.open(stream))[..., None] / 255
    found = compression(batch(plain, blocky))["blocks"]
    assert abs(middle(found[0])) < 0.2
    assert middle(found[1]) > 0.4


def test_steps_on_block_borders_alone_are_counted_by_hand():
    steps = (np.arange(64) // 8 % 2 * 0.1)[None, :, None] + np.zeros((64, 1, 1))
    found = compression(batch(steps))["blocks"]
    # On borders 0.1, elsewhere 0: 0.1 / 0.001 across, nothing down; the last tile column ends on no border.
    assert found[0, 0] == pytest.approx(100, rel=1e-3)
    assert batch(np.zeros((64, 64, 1))).luma.sum() == 0
    assert compression(batch(np.zeros((64, 64, 1))))["blocks"].tolist() == [[0.0] * 16]


def test_a_dark_rim_is_told_from_a_dark_side():
    rimmed, sided = noise(spread=0.01), noise(spread=0.01)
    rimmed[:6] = rimmed[-6:] = rimmed[:, :6] = rimmed[:, -6:] = 0.0
    sided[:6] = 0.0
    found = frame(batch(rimmed, sided))
    np.testing.assert_allclose(found["rim"][0], -0.5, atol=0.02)
    assert middle(found["rim"][1]) == pytest.approx(0, abs=0.02)
    assert found["corners"].shape == (2, 4)


class Given:
    def __init__(self, pictures):
        self.pictures = pictures

    def pixels(self, sample):
        return self.pictures[sample]


def test_measuring_keeps_the_order_and_leaves_out_what_is_too_small():
    rng = np.random.default_rng(0)
    sides = [64, 12, 32, 64, 40]
    pictures = [rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for side in sides]
    places, found = measure(Given(pictures), range(5))
    assert places.tolist() == [0, 2, 3, 4]
    for row, place in enumerate(places):
        alone = measure(Given([pictures[place]]), [0])[1]
        for name, values in alone.items():
            np.testing.assert_allclose(found[name][row], values[0], rtol=1e-5, atol=1e-6)
    assert not is_measurable((12, 64, 3))


def test_only_statistics_that_all_pictures_have_are_given():
    rng = np.random.default_rng(0)
    grey, colours = (rng.integers(0, 255, (32, 32, channels), dtype=np.uint8) for channels in (1, 3))
    assert "channel 0" not in measure(Given([grey, colours]), [0, 1])[1]
    assert measure(Given([]), [])[1] == {}


def test_sixteen_bits_are_measured_like_eight():
    eight = np.random.default_rng(0).integers(0, 256, (32, 32, 1), dtype=np.uint8)
    np.testing.assert_allclose(as_shares(eight.astype(np.uint16) * 257), as_shares(eight), atol=1e-6)


def test_flat_pictures_give_finite_numbers():
    flat = batch(np.zeros((32, 48, 3)), np.ones((32, 48, 3)))
    for family in FAMILIES[2].values():
        for values in family(flat).values():
            assert np.isfinite(values).all()
