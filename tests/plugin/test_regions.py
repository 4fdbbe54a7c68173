"""Objects on maps whose objects are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal.regions import find_regions, smooth


def bump(y, x, height, spread=2.0, side=32):
    rows, columns = np.mgrid[:side, :side]
    return (height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * spread**2))).astype(np.float32)


def test_each_object_is_boxed_at_half_its_own_peak():
    map_ = bump(8, 8, 1.0) + bump(22, 24, 3.0)
    first, second = find_regions(map_, (32, 32, 1))
    # Half of the peak lies 1.18 spreads from the middle: 2.35 pixels.
    assert first.window == (20, 22, 25, 27)
    assert second.window == (6, 6, 11, 11)
    assert (first.level, second.level) == pytest.approx((1.5, 0.5), rel=1e-3)
    assert first.score == pytest.approx(3 * second.score, rel=1e-3)
    assert first.mask[22, 24]
    assert not first.mask[8, 8]
    assert first.score == pytest.approx(map_[first.mask].sum() / map_.sum(), rel=1e-5)


def test_one_object_wider_than_a_window_is_one_object():
    map_ = np.zeros((32, 32), np.float32)
    map_[4:28, 14:18] = 1
    (only,) = find_regions(map_, (32, 32))
    assert only.window == (4, 14, 28, 18)
    assert only.score == pytest.approx(1)


def test_boxes_lie_in_the_pixels_of_a_sample_of_another_shape():
    map_ = np.zeros((4, 4), np.float32)
    map_[1, 2] = 1
    (only,) = find_regions(map_, (40, 80))
    y0, x0, y1, x1 = only.window
    assert (y0 + y1, x0 + x1) == (30, 100)
    assert only.mask.shape == (40, 80)


def test_a_number_of_objects_at_most():
    map_ = sum(bump(y, x, 1.0 + y / 100, 1.0) for y in (4, 16, 28) for x in (4, 16, 28))
    assert len(find_regions(map_, (32, 32))) == 8
    assert len(find_regions(map_, (32, 32), most=5)) == 5


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_nothing_positive_nothing_found(value):
    assert find_regions(np.full((4, 4), value, np.float32), (32, 32)) == []


def test_lesions_side_by_side_are_told_apart():
    """Closer than a third of the sample, and of very different size."""
    map_ = bump(10, 8, 1.0, 1.5) + bump(10, 15, 0.6, 1.0) + bump(24, 24, 0.8, 3.0)
    found = find_regions(map_, (32, 32))
    assert len(found) == 3
    for y, x in ((10, 8), (10, 15), (24, 24)):
        assert sum(region.mask[y, x] for region in found) == 1


def test_a_shoulder_is_no_object_of_its_own():
    """Between the peaks the map falls to no less than half of the lesser one."""
    map_ = bump(10, 8, 1.0, 2.0) + bump(10, 12, 0.9, 2.0)
    (only,) = find_regions(map_, (32, 32))
    assert only.mask[10, 8]
    assert only.mask[10, 12]


@given(
    hnp.arrays(np.float32, (6, 7), elements=st.floats(-1, 1, width=16)),
    st.tuples(st.integers(6, 30), st.integers(7, 30)),
)
def test_objects_are_apart_each_round_its_own_peak(map_, shape):
    found = find_regions(map_, shape)
    together = sum((region.mask.astype(int) for region in found), np.zeros(shape, int))
    assert together.max(initial=0) <= 1
    assert [region.score for region in found] == sorted((region.score for region in found), reverse=True)
    for region in found:
        y0, x0, y1, x1 = region.window
        assert region.mask[y0:y1, x0:x1].sum() == region.mask.sum()
        assert 0 < region.score <= 1 + 1e-9
    if map_.max() > 0 and np.ptp(map_) > 1e-4:
        assert found


@pytest.mark.parametrize("value", [1.0, 1e-8, 3e5])
def test_nothing_is_found_on_a_flat_map(value):
    noise = 1 + 1e-7 * np.random.default_rng(0).normal(size=(8, 8))
    assert find_regions((value * noise).astype(np.float32), (32, 32)) == []


def test_smoothing_finds_the_object_in_a_noisy_map():
    """As gradients are: every position for itself, larger where the object is."""
    draw = np.random.default_rng(0)
    noisy = np.abs(draw.normal(size=(64, 64))) * (0.1 + bump(20, 40, 1.0, 5.0, side=64))
    smoothed, sigma = smooth(noisy.astype(np.float32))
    assert sigma == pytest.approx(0.02 * 64)
    first = find_regions(smoothed, (64, 64))[0]
    y0, x0, y1, x1 = first.window
    assert y0 < 20 < y1
    assert x0 < 40 < x1
    assert first.score > 3 * find_regions(noisy, (64, 64))[0].score


def test_smoothing_keeps_sums_and_flat_maps():
    signed = bump(16, 16, 1.0) - bump(16, 16, 0.5, 4.0)
    assert smooth(signed)[0].sum() == pytest.approx(signed.sum(), abs=1e-3)
    assert np.allclose(smooth(np.full((8, 8), 3.0))[0], 3)


def test_objects_on_evidence_that_is_positive_everywhere():
    """As averaged probabilities are: the object is what stands out of the rest."""
    map_ = (0.5 + 0.4 * bump(10, 8, 1.0)).astype(np.float32)
    first = find_regions(map_, (32, 32))[0]
    bare = find_regions(bump(10, 8, 1.0), (32, 32))[0]
    assert first.window == bare.window
    assert first.level == pytest.approx(0.7, rel=1e-3)
    assert first.score == pytest.approx(bare.score, rel=1e-3)
    (whole,) = find_regions((0.5 + 0.05 * bump(10, 8, 1.0)).astype(np.float32), (32, 32))
    assert whole.window == (0, 0, 32, 32)
