"""Plain properties: what is measured, and whether it gives the class away."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.opponents import latent_shift, properties
from foveal_audit.opponents.latent_shift import probe, shift
from foveal_audit.opponents.looks import LOOKS, measure
from foveal_audit.opponents.properties import told_by
from foveal_audit.opponents.small_vae import latents


def told(pixels):
    return dict(zip(LOOKS[2], measure(pixels), strict=True))


def test_properties_by_hand():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, :2] = (255, 0, 0)
    found = told(pixels)
    assert found["brightness"] == pytest.approx(1 / 6)
    assert found["contrast"] == pytest.approx(1 / 6)
    assert found["information"] == pytest.approx(1)
    assert found["colourfulness"] == pytest.approx(0.5)
    assert (found["red"], found["green"], found["blue"]) == pytest.approx((1, 0, 0))
    assert (found["area"], found["shape"]) == pytest.approx((8**0.5, 2))


def test_sixteen_bits_and_one_channel():
    found = told(np.full((4, 4, 1), 65535, np.uint16))
    assert found["brightness"] == found["red"] == found["blue"] == 1
    assert found["information"] == 0


def test_a_blurred_picture_is_less_sharp():
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 1), dtype=np.uint8)
    flat = np.tile(noise[:1], (16, 1, 1))
    assert told(noise)["sharpness"] > told(flat)["sharpness"]


def test_the_score_by_hand():
    rng = np.random.default_rng(0)
    outcomes = np.repeat([0, 1], 50)
    apart, score = told_by(outcomes * 100 + rng.normal(size=100), outcomes)
    assert score == 1
    np.testing.assert_array_equal(apart, outcomes)
    same, nothing = told_by(rng.normal(size=100), outcomes)
    assert nothing == pytest.approx(1 - (same != outcomes).mean() / 0.5)
    assert nothing < 0.4
    assert told_by(np.full(100, 0.3), outcomes)[1] == 0


def test_the_tinted_samples_are_shown(make_seen):
    rng = np.random.default_rng(1)
    outcomes = np.repeat([0, 1], 60)
    looks = rng.normal(size=(120, len(LOOKS[2])))
    looks[:60, LOOKS[2].index("red")] += 6
    seen = make_seen(["training"] * 120, outcomes, looks=looks)
    rows, score = max(properties.find(seen, 0), key=lambda one: one[1])
    assert score > 0.9
    assert len(set((rows // 60).tolist())) == 1
    assert properties.find(make_seen(["training"] * 120, looks=looks), 0) == []


def test_shift_by_hand():
    values = np.array([0.0, 2, 1, 3, 10, 12])
    assert shift(values, np.array([0, 0, 1, 1, 2, 2])) == pytest.approx(10)
    assert shift(values, np.zeros(6, int)) == 0


def test_the_probe_names_the_axis_that_tells_the_classes():
    points = np.random.default_rng(2).normal(size=(200, 4))
    weights = probe(points, (points[:, 2] > 0).astype(int))
    assert weights.argmax() == 2
    assert weights[2] > 0.6


@pytest.fixture
def tinted(make_seen):
    """Noise; the pictures of class 1 have a bright corner."""
    rng = np.random.default_rng(3)
    outcomes = np.arange(160) % 2
    thumbs = rng.normal(0.4, 0.05, (160, 1, 32, 32)).clip(0, 1).astype(np.float32)
    thumbs[outcomes == 1, :, :8, :8] += 0.4
    return make_seen(["training"] * 160, outcomes, thumbs=thumbs)


def test_the_latent_of_the_corner_shifts_most(tinted):
    found = sorted(latent_shift.find(tinted, seed=0), key=lambda one: -one[1])
    assert found[0][1] > 2 > found[2][1]
    for rows, _ in found[:2]:
        assert len(set((rows % 2).tolist())) == 1


def test_latents_are_the_same_again_and_tell_the_pictures_apart(tinted):
    first = latents(tinted.thumbs, 3, 3.0, seed=5)
    np.testing.assert_array_equal(first, latents(tinted.thumbs, 3, 3.0, seed=5))
    assert first.shape == (160, 3)
    apart = first[::2].mean(0) - first[1::2].mean(0)
    assert np.abs(apart / first.std(0)).max() > 1.5
