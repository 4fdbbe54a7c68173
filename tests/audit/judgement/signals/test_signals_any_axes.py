"""The parts of the signals on traces and volumes: against loops, by hand, and where something stands out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from synthetic_library import make_samples, make_windows

from foveal_audit.judgement.cells import GRIDS
from foveal_audit.judgement.pictures import Pictures
from foveal_audit.judgement.signals.looks import Drawn, described, looks_of
from foveal_audit.judgement.signals.objects import heat_outside
from foveal_audit.judgement.signals.position import in_frame, off_centre, position_lock
from foveal_audit.judgement.signals.question import _shared, extents
from foveal_audit.judgement.signals.sameness import aligned, nearest_hash, unsteadiness
from foveal_audit.spans import span_of


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("axes", [1, 3])
def test_one_place_is_a_lock_and_all_places_are_none(rng, axes):
    pool = rng.uniform(size=(600, axes))
    assert position_lock(np.full((50, axes), 0.1), pool, rng).value == 1
    assert position_lock(pool[:50], pool, rng).value < 0.2


def test_places_on_a_trace_and_in_a_volume_by_hand():
    np.testing.assert_allclose(off_centre(np.array([[0.5], [0.0]])), [0, 0.5])
    np.testing.assert_allclose(in_frame(np.array([[0.0, 0.16], [0.4, 0.5]])), [0.5, 0])
    half = in_frame(np.array([[0.0, 0.4, 0.4, 0.16, 0.6, 0.6]]))
    np.testing.assert_allclose(half, [0.5])


def test_what_two_boxes_share_and_how_far_windows_reach():
    assert _shared(np.array([[0, 10], [8, 12]]), np.array([5, 10])).tolist() == [0.5, 0.5]
    cubes = np.array([[0, 0, 0, 2, 2, 2]])
    assert _shared(cubes, np.array([1, 1, 1, 3, 3, 3])).tolist() == [1 / 8]
    windows = make_windows([np.zeros((4, 2, 1, 1), np.float32)], boxes=[(0, 2, 3, 4, 4, 4)])
    samples = make_samples(["training"], shape=(8, 8, 4, 1))
    np.testing.assert_allclose(extents(windows, samples), [[0, 0.25, 0.75, 0.5, 0.5, 1]])
    np.testing.assert_allclose(windows.centres(samples), [[0.25, 0.375, 0.875]])


def naive_outside(heat, box, regions):
    """Go through the places of a window one by one."""
    axes = len(box) // 2
    sides = [box[axes + axis] - box[axis] for axis in range(axes)]
    inside = outside = 0.0
    for place in np.ndindex(*sides):
        cell = tuple(at * grid // side for at, grid, side in zip(place, heat.shape, sides, strict=True))
        at = [place[axis] + box[axis] for axis in range(axes)]
        hit = any(all(one[a] <= at[a] < one[axes + a] for a in range(axes)) for one in regions)
        inside, outside = (
            inside + max(heat[cell], 0) * hit,
            outside + max(heat[cell], 0) * (not hit),
        )
    return outside / (inside + outside)


@pytest.mark.parametrize(
    ("shape", "box", "regions", "grid"),
    [
        ((40, 1), (10, 30), [(0, 14), (25, 40)], (5,)),
        ((9, 9, 9, 1), (1, 2, 3, 7, 8, 9), [(0, 0, 0, 4, 9, 5)], (2, 3, 2)),
    ],
)
def test_evidence_outside_of_regions_is_what_a_loop_finds(rng, shape, box, regions, grid):
    axes = len(grid)
    sides = [box[axes + axis] - box[axis] for axis in range(axes)]
    windows = make_windows([np.zeros((*sides, 1), np.float32)], boxes=[box])
    heat = rng.normal(size=grid).astype(np.float32)
    windows.maps[0] = heat
    found = heat_outside(windows, make_samples(["training"], shape=shape), {"s0000": np.array(regions)})
    assert found[0] == pytest.approx(naive_outside(heat, box, regions), rel=1e-5)


class Given:
    """A bench of samples that lie in memory."""

    def __init__(self, values):
        self.values, self.readable = values, np.ones(len(values), bool)

    def pixels(self, row):
        return self.values[row]


def test_a_pulse_on_noise_stands_out_and_is_another_kind_of_cell(rng):
    traces = [rng.normal(0, 0.05, (640, 2)).astype(np.float32) for _ in range(12)]
    for trace in traces:
        trace[200:240] += 1
    pictures = Pictures(Given(traces), make_samples(["training"] * 12, shape=(640, 2)))
    assert pictures.cells.shape == (12, 64, GRIDS[1].width)
    assert set(pictures.salience.argmax(axis=1)) <= {19, 20, 21, 22, 23, 24}
    assert not set(pictures.words[:, 20:24].ravel()) & set(pictures.words[:, 40:].ravel())
    masks = pictures.masks(np.array([[0.3125, 0.375]]))
    assert np.flatnonzero(masks[0]).tolist() == [20, 21, 22, 23]


def test_a_cube_in_noise_stands_out(rng):
    volumes = [rng.normal(-700, 20, (32, 32, 32, 1)).astype(np.int16) for _ in range(6)]
    for volume in volumes:
        volume[8:16, 16:24, 4:8] = 900
    pictures = Pictures(Given(volumes), make_samples(["training"] * 6, shape=(32, 32, 32, 1)))
    assert pictures.cells.shape == (6, 8, 8, 8, GRIDS[3].width)
    for salience in pictures.salience:
        z, y, x = np.unravel_index(salience.argmax(), salience.shape)
        assert 2 <= z <= 3
        assert 4 <= y <= 5
        assert 0 <= x <= 2
    masks = pictures.masks(np.array([[0.25, 0.5, 0.125, 0.5, 0.75, 0.25]]))
    assert np.argwhere(masks[0]).tolist() == [[z, y, 1] for z in (2, 3) for y in (4, 5)]


def test_every_look_is_measured_and_a_box_is_flatter_and_sharper_than_a_hump():
    t = np.arange(64)
    box = np.where((t > 20) & (t < 44), 1.0, 0.0).astype(np.float32)[:, None]
    hump = np.exp(-(((t - 32) / 12) ** 2)).astype(np.float32)[:, None]
    windows = make_windows([box, hump], boxes=[(0, 64)] * 2)
    names = list(looks_of(1))
    assert "uprightness" not in names
    own, other = described(windows, windows.span)
    for name in ("flatness", "fewness", "sharpness", "two_tones"):
        assert own[names.index(name)] > other[names.index(name)]


def test_a_volume_of_layers_is_upright_and_a_slanted_one_is_not():
    z, y, x = np.mgrid[:16, :16, :16]
    layers, slanted = ((np.sin(phase * 0.6) / 2 + 0.5).astype(np.float32)[None] for phase in (z, z + y + x))
    look = looks_of(3)["uprightness"]
    assert look(Drawn(layers)) > 0.99
    assert look(Drawn(slanted)) < 0.1


@pytest.mark.parametrize("axes", [1, 3])
def test_stamps_are_steady_wherever_they_lie_and_noise_is_not(rng, axes):
    side, reach = {1: (64, 8), 3: (16, 4)}[axes]
    middle = side - 2 * reach
    stamp = gaussian_filter(rng.random((2, *[middle] * axes)), (0, *[1.5] * axes)) * 4 - 1.5
    images, noise = rng.random((2, 20, 2, *[side] * axes)).astype(np.float32)
    for number, image in enumerate(images):
        starts = rng.integers(0, 2 * reach + 1, axes) if number > 8 else [reach] * axes
        image[(slice(None), *(slice(start, start + middle) for start in starts))] = stamp
    found, other = aligned(images), aligned(noise)
    assert found.shape == (20, 2, *[middle] * axes)
    assert unsteadiness(found) < 0.05
    assert unsteadiness(other) > 0.4
    assert nearest_hash(found) < 1
    assert nearest_hash(other) > 3


@pytest.mark.parametrize(("weak", "apart"), [(0.0, 0.0), (0.05, 0.0), (0.5, 0.5)])
def test_a_wave_that_one_of_two_volumes_has_is_half_a_bit(weak, apart):
    z, y, _ = np.mgrid[:8, :8, :8] + 0.5
    along, across = (np.cos(np.pi * place / 8) for place in (z, y))
    both = np.stack([along, along + weak * across]).astype(np.float32)[:, None]
    assert nearest_hash(both) == apart


def test_the_face_of_a_cube_is_the_same_whatever_noise_is_in_it(rng):
    face = (np.arange(8) < 5).astype(np.float32)[:, None, None] * np.ones((8, 8, 8), np.float32)
    noisy = (face + rng.normal(0, 0.002, (20, 1, 8, 8, 8))).astype(np.float32)
    assert nearest_hash(noisy) == 0
    assert nearest_hash(rng.random((20, 1, 8, 8, 8)).astype(np.float32)) > 10


def test_the_parts_of_windows_are_seen_on_the_scale_of_all():
    small, large = np.full((20, 1), 1.0, np.float32), np.full((20, 1), 100.0, np.float32)
    windows = make_windows([small, large, small], boxes=[(0, 20)] * 3)
    part = windows.take(np.array([0, 2]))
    assert part.span == windows.span == span_of([small, large, small])
    np.testing.assert_array_equal(part.images, windows.images[[0, 2]])
