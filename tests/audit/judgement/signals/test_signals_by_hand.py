"""The parts of the signals on toys whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.judgement.signals import looks
from foveal_audit.judgement.signals.metadata import as_times, clustered_in_time
from foveal_audit.judgement.signals.nulls import superiority
from foveal_audit.judgement.signals.objects import heat_outside, togetherness
from foveal_audit.judgement.signals.position import corner_lock, crowding, in_frame, off_centre, position_lock
from foveal_audit.judgement.signals.presence import _lift
from foveal_audit.judgement.signals.sameness import aligned, nearest_hash, unsteadiness


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_superiority_by_hand():
    found = superiority(np.array([2.0, 3, 3, 4, 9]), np.array([1.0, 2, 3, 5, 6]))
    naive = np.mean([[(a > b) + 0.5 * (a == b) for b in (1, 2, 3, 5, 6)] for a in (2, 3, 3, 4, 9)])
    assert found.value == pytest.approx(naive)
    assert superiority(np.ones(4), np.ones(50)) is None


def test_superiority_of_what_never_changes_is_no_news():
    found = superiority(np.ones(20), np.ones(20))
    assert (found.value, found.p) == (0.5, 1.0)


def test_superiority_of_the_same_law_is_seldom_significant(rng):
    p_values = [superiority(rng.normal(size=30), rng.normal(size=60)).p for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_any_of_four_corners_is_a_place(rng):
    corners = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9]])
    centres, pool = corners[rng.integers(0, 4, 40)], rng.uniform(size=(400, 2))
    assert corner_lock(centres, pool, rng).value == 1
    assert position_lock(centres, pool, rng).value < 0.7
    assert corner_lock(pool[:40], pool, rng).value < 0.2


def test_distances_from_middle_and_frame_by_hand():
    assert off_centre(np.array([[0.5, 0.5], [0.5, 1.0], [0.2, 0.9]])) == pytest.approx([0, 0.5, 0.5])
    boxes = np.array([[0.0, 0.0, 0.08, 0.5], [0.0, 0.2, 0.16, 0.4], [0.3, 0.3, 0.6, 0.6], [0, 0, 1, 1]])
    assert in_frame(boxes) == pytest.approx([1, 0.5, 0, 1 - 0.84**2])


def test_crowding_counts_neighbours():
    pool = np.array([[0.2, 0.2], [0.2, 0.2], [0.9, 0.9]])
    assert crowding(np.array([[0.2, 0.2]]), pool) == pytest.approx([2 / 3], abs=1e-6)
    assert crowding(pool, pool, own=True) == pytest.approx([0.5, 0.5, 0], abs=1e-6)


def test_heat_is_weighed_where_it_lies():
    """A 2 x 2 map over a window of 8 x 8 whose left half is in the region: the right half has its heat."""
    windows = make_windows([np.zeros((8, 8, 1), np.uint8)] * 3, boxes=[[8, 8, 16, 16]] * 3)
    windows.maps[0] = np.array([[1.0, 3.0], [0.0, 0.0]], dtype=np.float32)
    windows.maps[1] = np.array([[-5.0, -1.0], [-1.0, -1.0]], dtype=np.float32)
    samples = make_samples(["training"] * 3)
    rois = {"s0000": np.array([[0, 0, 64, 12]]), "s0001": np.array([[8, 8, 12, 16]])}
    assert heat_outside(windows, samples, rois) == pytest.approx([0.75, 0.5, np.nan], nan_ok=True)


def test_what_moves_together(rng):
    anchors = rng.uniform(0.2, 0.8, (60, 2))
    tied = togetherness(anchors + np.array((0.1, -0.05)) + rng.normal(0, 0.01, (60, 2)), anchors, rng)
    free = togetherness(rng.uniform(0.2, 0.8, (60, 2)), anchors, rng)
    assert tied.value > 0.99
    assert tied.p < 0.01
    assert abs(free.value) < 0.3
    assert free.p > 0.01
    still = togetherness(np.full((60, 2), 0.5), anchors, rng)
    assert (still.value, still.p) == (0, 1)


def test_what_stays_cannot_be_asked_to_move(rng):
    assert togetherness(rng.uniform(size=(60, 2)), np.full((60, 2), 0.5), rng) is None
    assert togetherness(rng.uniform(size=(14, 2)), rng.uniform(size=(14, 2)), rng) is None


def stamped(rng, number, texture, moved=3):
    """Put a pattern anywhere into noise, (n, 1, 32, 32)."""
    images = rng.uniform(0.3, 0.7, (number, 1, 32, 32)).astype(np.float32)
    for image in images:
        y, x = 8 + rng.integers(-moved, moved + 1, 2)
        image[0, y : y + 16, x : x + 16] = texture()
    return images


def test_a_moved_stamp_is_found_again(rng):
    pattern = rng.uniform(0, 1, (16, 16)).astype(np.float32)
    same = aligned(stamped(rng, 24, lambda: pattern))
    other = aligned(stamped(rng, 24, lambda: rng.uniform(0, 1, (16, 16)).astype(np.float32)))
    assert unsteadiness(same) < 0.01 < 0.5 < unsteadiness(other)
    assert nearest_hash(same) < nearest_hash(other) - 5


def test_hashes_do_not_mind_light(rng):
    pattern = rng.uniform(0, 1, (16, 16)).astype(np.float32)
    lit = np.stack([pattern * gain + 0.1 for gain in rng.uniform(0.2, 0.6, 12)])[:, None]
    assert nearest_hash(lit) < 1


def crop(values):
    return looks.Drawn(np.asarray(values, dtype=np.float32)[None])


def test_looks_by_hand():
    flat, noise = crop(np.full((16, 16), 0.5)), crop(np.random.default_rng(0).uniform(size=(16, 16)))
    bars = crop(np.tile((np.arange(16) // 4 % 2).astype(float), (16, 1)))
    slanted = crop(np.add.outer(np.arange(16), np.arange(16)) / 32)
    assert looks.flatness(flat) == looks.fewness(flat) == 1
    assert looks.flatness(bars) == pytest.approx((1 + 12 / 15) / 2)
    assert looks.fewness(noise) < 0.4
    assert looks.saturation(bars) == 1
    assert looks.saturation(flat) == 0
    assert looks.strokes(bars) == pytest.approx(6 / 16)
    assert looks.uprightness(bars) == pytest.approx(1, abs=1e-5)
    assert looks.uprightness(slanted) == pytest.approx(0, abs=1e-5)
    assert looks.two_tones(bars) == pytest.approx(1)
    assert looks.two_tones(slanted) < 0.6
    assert looks.two_tones(flat) == 0
    assert looks.contrast(bars) == 0.5
    assert looks.sharpness(noise) > 5 * looks.sharpness(slanted)


def test_tiny_crops_look_like_nothing(rng):
    rows = looks.described(make_windows([noise_crop(rng, side=2), noise_crop(rng, side=12)]))
    assert rows.shape == (2, len(looks.LOOKS))
    assert rows[0, list(looks.LOOKS).index("strokes")] == 0
    assert np.isfinite(rows).all()


def test_times_are_read_or_refused():
    assert np.diff(as_times(np.array(["2026-01-01", "2026-01-02T12:00"]))) == pytest.approx([36 * 3600])
    assert as_times(np.array(["A", "B"])) is None
    assert as_times(np.array(["2026-01-01", ""])) is None


def test_samples_that_follow_each_other(rng):
    times, classes = np.arange(80.0), np.arange(80) % 2
    together = clustered_in_time((times >= 30) & (times < 60), times, classes, rng)
    mixed = clustered_in_time(rng.uniform(size=80) < 0.4, times, classes, rng)
    assert together.value > 0.8
    assert together.p < 0.01
    assert mixed.p > 0.05
    assert clustered_in_time(classes == 1, times, classes, rng) is None  # all of one class, none of the other


def test_lifts_by_hand():
    present = np.array([True] * 10 + [False] * 20)
    event = np.array([True] * 6 + [False] * 4 + [True] * 2 + [False] * 18)
    found = _lift(present, event)
    assert found.value == pytest.approx(0.6 - 0.1)
    assert found.p == pytest.approx(0.0067, abs=0.001)
    assert _lift(present[6:], event[6:]) is None  # four with it tell nothing
