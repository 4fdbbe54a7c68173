"""Components carried over between pictures: what moves and what stays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from foveal_audit.properties.components import COMPONENTS, colour, detail, fitted, rim, spectrum
from foveal_audit.properties.families.grain import grain
from foveal_audit.properties.tiles import Batch


def scene(seed, spread=0.03, channels=3):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] - rng.integers(20, 44, 2)[:, None, None]
    picture = 0.5 + spread * rng.normal(size=(64, 64, channels))
    picture[np.hypot(y, x) < 8] += 0.3
    return picture.astype(np.float32)


def noise_of(picture):
    return float(np.exp(np.median(grain(Batch(picture[None]))["noise"])))


@pytest.mark.parametrize("name", COMPONENTS[2])
def test_a_picture_takes_over_nothing_from_itself(name):
    picture = scene(0)
    np.testing.assert_allclose(COMPONENTS[2][name](picture, picture), picture, atol=2e-2)


def test_colour_brings_mean_and_spread_of_each_channel():
    host, donor = scene(0), scene(1) * np.float32(0.5) + np.array([0.4, 0.1, 0.2], dtype=np.float32)
    changed = colour(host, donor)
    np.testing.assert_allclose(changed.mean((0, 1)), donor.mean((0, 1)), atol=1e-4)
    np.testing.assert_allclose(changed.std((0, 1)), donor.std((0, 1)), rtol=0.02)


@pytest.mark.parametrize("component", [spectrum, detail])
def test_noise_comes_over_and_the_object_stays(component):
    host, donor = scene(0, spread=0.01), scene(1, spread=0.08)
    changed = component(host, donor)
    assert noise_of(changed) == pytest.approx(noise_of(donor), rel=0.25)
    there = gaussian_filter(host[..., 0], 4) > 0.6
    smooth = gaussian_filter(changed[..., 0], 4)
    assert smooth[there].mean() - smooth[~there].mean() > 0.15


@pytest.mark.parametrize("component", [spectrum, detail])
def test_blur_comes_over(component):
    host, donor = scene(0), gaussian_filter(scene(1), (1.4, 1.4, 0))
    assert noise_of(component(host, donor)) < 0.5 * noise_of(host)


def test_the_rim_comes_over_and_the_inside_stays():
    host, donor = scene(0), np.zeros((64, 64, 3), dtype=np.float32)
    changed = rim(host, donor)
    assert np.abs(changed[:4]).max() == np.abs(changed[:, -4:]).max() == 0
    np.testing.assert_array_equal(changed[16:-16, 16:-16], host[16:-16, 16:-16])


def test_a_donor_of_another_size_is_mirrored_or_cut():
    donor = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    assert fitted(donor, np.zeros((2, 6, 1), np.float32))[..., 0].tolist() == [
        [0, 1, 2, 3, 3, 2],
        [4, 5, 6, 7, 7, 6],
    ]
