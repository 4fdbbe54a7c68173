"""Windows to units: mixtures split, twins joined."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_windows, noise_crop, stripes_crop

from foveal_audit.units.partition import Partition, partition


def vectors(rng, number, channel, channels=4):
    flow = rng.normal(0, 0.01, (number, channels))
    flow[:, channel] += rng.uniform(1, 9, number)
    return flow


def apart(labels, *sizes):
    """Whether parts of the given sizes share no label."""
    parts = np.split(labels, np.cumsum(sizes)[:-1])
    found = [set(part.tolist()) for part in parts]
    return all(not a & b for n, a in enumerate(found) for b in found[:n])


def test_evidence_through_other_channels_is_another_unit():
    rng = np.random.default_rng(0)
    crops = [stripes_crop(rng, True) for _ in range(60)] + [noise_crop(rng) for _ in range(40)]
    flow = np.concatenate([vectors(rng, 60, 0), vectors(rng, 40, 2)])
    parts = partition(make_windows(crops, vectors=flow), np.zeros(100, np.int64), seed=0)
    assert apart(parts.labels, 60, 40)
    assert parts.labels[0] == 0  # the largest
    assert parts.channels(0) == (0,)


def test_a_mixture_inside_one_channel_is_split():
    rng = np.random.default_rng(1)
    crops = [stripes_crop(rng, True) for _ in range(30)] + [stripes_crop(rng, False) for _ in range(20)]
    windows = make_windows(crops, vectors=np.tile([1.0, 0.2], (50, 1)))
    labels = partition(windows, np.zeros(50, np.int64), seed=0).labels
    assert labels.tolist() == [0] * 30 + [1] * 20


@pytest.mark.parametrize(("classes", "joined"), [((0, 0), True), ((0, 1), False)])
def test_twins_of_one_class_are_joined(classes, joined):
    """Two channels that carry the same look: one unit, unless they speak for different classes."""
    rng = np.random.default_rng(2)
    crops = [stripes_crop(rng, True) for _ in range(60)]
    flow = np.concatenate([vectors(rng, 30, 0), vectors(rng, 30, 1)])
    labels = partition(make_windows(crops, vectors=flow), np.repeat(classes, 30), seed=0).labels
    assert (len(set(labels.tolist())) == 1) is joined


def test_same_seed_same_units_whatever_was_drawn_before():
    rng = np.random.default_rng(3)
    windows = make_windows([noise_crop(rng) for _ in range(80)], vectors=rng.normal(size=(80, 6)))
    classes = rng.integers(0, 2, 80)
    first, second = (partition(windows, classes, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.centroids, second.centroids)


def test_a_single_window_is_a_unit():
    parts = partition(make_windows([noise_crop(np.random.default_rng(4))]), np.array([3]), seed=0)
    assert parts.labels.tolist() == [0]


def test_what_nothing_parts_is_one_unit_and_classes_stay_apart():
    """One flow and one look, of noise that no two crops share: k-means cuts it, nothing else does."""
    rng = np.random.default_rng(5)
    crops = [noise_crop(rng) for _ in range(150)]
    flow = 5 + rng.normal(0, 0.3, (150, 4))
    windows = make_windows(crops, vectors=flow)
    assert not partition(windows, np.zeros(150, np.int64), seed=0).labels.any()
    classes = np.repeat([0, 1], 75)
    flow[75:, 0] += 5
    parts = partition(make_windows(crops, vectors=flow), classes, seed=0)
    assert apart(parts.labels, 75, 75)


def tinted_crop(rng, channel):
    crop = rng.integers(60, 120, (16, 16, 1), dtype=np.uint8).repeat(3, axis=2)
    crop[..., channel] += 100
    return crop


def test_colours_inside_one_channel_are_two_units_that_separate_by_looks():
    rng = np.random.default_rng(6)
    crops = [tinted_crop(rng, 0) for _ in range(40)] + [tinted_crop(rng, 2) for _ in range(30)]
    parts = partition(make_windows(crops, vectors=np.ones((70, 3))), np.zeros(70, np.int64), seed=0)
    assert parts.labels.tolist() == [0] * 40 + [1] * 30
    assert [one.separates for one in parts.formations] == [("looks",)] * 2
    assert [one.stability for one in parts.formations] == [1, 1]


def test_units_say_how_they_are_formed():
    rng = np.random.default_rng(0)
    crops = [stripes_crop(rng, True) for _ in range(60)] + [noise_crop(rng) for _ in range(40)]
    flow = np.concatenate([vectors(rng, 60, 0), vectors(rng, 40, 2)])
    formed = partition(make_windows(crops, vectors=flow), np.zeros(100, np.int64), seed=0).formations
    assert all("network" in one.separates for one in formed)
    assert formed[0].stability > 0.9


def test_windows_without_contribution_vectors_are_split_by_looks():
    rng = np.random.default_rng(7)
    crops = [stripes_crop(rng, True) for _ in range(30)] + [stripes_crop(rng, False) for _ in range(20)]
    windows = make_windows(crops, vectors=np.zeros((50, 0)))
    parts = partition(windows, np.zeros(50, np.int64), seed=0)
    assert parts.labels.tolist() == [0] * 30 + [1] * 20
    assert parts.channels(0) == ()


@pytest.mark.parametrize(
    ("centroid", "channels"),
    [
        ([0.5, 0.3, 0.2], (0, 1)),  # exactly 0.8
        ([0.2, 0.5, 0.31], (1, 2)),
        ([-5, 0.1, 0.9], (2,)),  # what speaks against does not carry
        ([1, 1, 1], (0, 1, 2)),
    ],
)
def test_channels_carry_four_fifths_of_the_evidence(centroid, channels):
    parts = Partition(np.zeros(1, np.int64), np.array([centroid], np.float32))
    assert parts.channels(0) == channels
