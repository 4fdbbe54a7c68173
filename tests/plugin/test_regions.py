"""Objects on maps whose objects are known."""

from __future__ import annotations

import numpy as np
import pytest

from foveal.regions import find_regions


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
    assert len(find_regions(map_, (32, 32))) == 3
    assert len(find_regions(map_, (32, 32), most=5)) == 5


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_nothing_positive_nothing_found(value):
    assert find_regions(np.full((4, 4), value, np.float32), (32, 32)) == []
