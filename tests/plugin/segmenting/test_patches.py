"""The patches of a node: fields of its strongest positions, against a naive search and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_segmenters import UNet
from torch import nn

from foveal.segmenting.fields import Fields, fields_of
from foveal.segmenting.patches import MIN_SHARE, find_patches


def fields_by_hand(*axes, sides):
    """Make fields of (start, stop) pairs per position, per axis."""
    starts, stops = ([np.array([pair[end] for pair in axis]) for axis in axes] for end in (0, 1))
    return Fields(tuple(starts), tuple(stops), sides)


LINE = fields_by_hand([(0, 2), (1, 4), (3, 6), (5, 8), (7, 10), (9, 10)], sides=(10,))


def test_the_strongest_position_first_and_none_overlapping():
    map_ = np.array([0, 5, 4, 0, 3, -9], np.float32)
    first, second = find_patches(map_, LINE, (10,), 3)
    assert (first.window, second.window) == ((1, 4), (7, 10))  # position 2 overlaps position 1
    assert first.map.tolist() == [5.0]
    assert first.share == pytest.approx(5 / 12)


def test_at_most_as_many_as_asked_for():
    map_ = np.array([5, 0, 4, 0, 3, 0], np.float32)
    assert [one.window for one in find_patches(map_, LINE, (10,), 2)] == [(0, 2), (3, 6)]


def test_what_holds_next_to_nothing_is_left_out():
    map_ = np.array([0, 9, 0, 0, MIN_SHARE * 9 - 0.1, 0], np.float32)
    assert len(find_patches(map_, LINE, (10,), 3)) == 1


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_maps_without_finite_evidence_have_none(value):
    assert find_patches(np.full(6, value, np.float32), LINE, (10,), 3) == []


def test_windows_lie_in_the_samples_own_steps():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
    fields = fields_of(net, torch.zeros(1, 1, 8, 8), "0")
    map_ = np.zeros((8, 8), np.float32)
    map_[3, 4] = 1
    (patch,) = find_patches(map_, fields, (80, 40), 3)
    assert patch.window == (20, 15, 50, 30)
    assert patch.share == 1.0
    assert patch.map.shape == (3, 3)


def naive(map_, fields, most):
    """Go through all positions, strongest first."""
    order = np.argsort(-map_.ravel(), kind="stable")
    kept = []
    for flat in order:
        cell = np.unravel_index(flat, map_.shape)
        axes, box = map_.ndim, fields.box(cell)
        clear = all(
            any(box[a] >= other[axes + a] or other[a] >= box[axes + a] for a in range(axes)) for other in kept
        )
        if map_[cell] > 0 and clear and len(kept) < most:
            kept.append(box)
    return kept


@pytest.fixture(scope="module")
def unet_fields():
    return {
        axes: fields_of(UNet(axes, width=1).eval(), torch.zeros(1, 1, *sides), "mid")
        for axes, sides in ((1, (40,)), (2, (24, 28)), (3, (20, 20, 24)))
    }


@given(axes=st.integers(1, 3), seed=st.integers(0, 2**31), most=st.integers(1, 4))
def test_as_a_naive_search(unet_fields, axes, seed, most):
    fields = unet_fields[axes]
    map_ = np.random.default_rng(seed).normal(size=[len(one) for one in fields.starts]).astype(np.float32)
    expected, found = (
        naive(map_, fields, most),
        [one.window for one in find_patches(map_, fields, fields.sides, most)],
    )
    assert found == expected[: len(found)]
    assert len(found) >= 1


@given(seed=st.integers(0, 2**31), tall=st.integers(3, 90), wide=st.integers(3, 90))
def test_inside_the_sample_and_disjoint_whatever_its_size(unet_fields, seed, tall, wide):
    fields = unet_fields[2]
    map_ = np.random.default_rng(seed).normal(size=[len(one) for one in fields.starts]).astype(np.float32)
    taken = np.zeros((tall, wide), int)
    for one in find_patches(map_, fields, (tall, wide), 4):
        y0, x0, y1, x1 = one.window
        assert 0 <= y0 < y1 <= tall
        assert 0 <= x0 < x1 <= wide
        taken[y0:y1, x0:x1] += 1
    assert taken.max() == 1
