"""Objects on traces and in volumes."""

from __future__ import annotations

import numpy as np
import pytest

from foveal import regions
from foveal.regions import find_regions, smooth


def bump(shape, middle, height, spread=2.0):
    places = np.meshgrid(*[np.arange(side) for side in shape], indexing="ij")
    far = sum((at - to) ** 2 for at, to in zip(places, middle, strict=True))
    return (height * np.exp(-far / (2 * spread**2))).astype(np.float32)


def test_objects_on_a_trace():
    map_ = bump((64,), (12,), 1.0) + bump((64,), (40,), 3.0)
    first, second = find_regions(map_, (64, 2))
    # Half of the peak lies 1.18 spreads from the middle: 2.35 steps.
    assert (first.window, second.window) == ((38, 43), (10, 15))
    assert first.mask.shape == (64,)
    assert first.score == pytest.approx(3 * second.score, rel=1e-3)


def test_objects_in_a_volume():
    map_ = bump((16, 20, 24), (5, 6, 7), 1.0) + bump((16, 20, 24), (11, 14, 18), 2.0)
    first, second = find_regions(map_, (16, 20, 24, 1))
    assert first.window == (9, 12, 16, 14, 17, 21)
    assert second.window == (3, 4, 5, 8, 9, 10)
    assert first.mask[11, 14, 18]
    assert not first.mask[5, 6, 7]


@pytest.mark.parametrize("shape", [(400,), (20, 24, 22)])
def test_noise_is_smoothed_along_every_axis(shape):
    noise = np.random.default_rng(0).normal(size=shape)
    smoothed, sigma = smooth(noise, 0.1)
    assert sigma == pytest.approx(0.1 * min(shape))
    for axis in range(len(shape)):
        assert np.abs(np.diff(smoothed, axis=axis)).mean() < np.abs(np.diff(noise, axis=axis)).mean() / 3


def test_large_volumes_are_searched_on_a_coarser_grid(monkeypatch):
    map_ = bump((20, 24, 28), (6, 12, 20), 1.0)
    (exact,) = find_regions(map_, (40, 48, 56))
    monkeypatch.setattr(regions, "MOST_STEPS", 8000)
    (coarse,) = find_regions(map_, (40, 48, 56))
    assert coarse.mask.size <= 9000 < exact.mask.size
    assert np.abs(np.subtract(coarse.window, exact.window)).max() <= 3
    assert coarse.score == pytest.approx(exact.score, abs=0.05)
    assert coarse.window[3:] <= (40, 48, 56)


def test_volumes_have_few_places_and_images_their_own():
    assert regions.coarse_sides((512, 512)) == (512, 512)
    assert regions.coarse_sides((100, 100, 100)) == (100, 100, 100)
    coarse = regions.coarse_sides((300, 512, 512))
    assert np.prod(coarse) == pytest.approx(regions.MOST_STEPS, rel=0.02)
    assert coarse[1] / coarse[0] == pytest.approx(512 / 300, rel=0.02)
