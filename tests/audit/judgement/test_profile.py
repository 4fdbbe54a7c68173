"""What a pasted facet needs, on models that need nothing, its place, or the scene around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patch_bench import FACET, HOSTS, PatchBench

from foveal_audit.judgement.asking import Scale
from foveal_audit.judgement.profile import blurred, scrambled, strongest_control, transfer_profile
from foveal_audit.judgement.transfer import transfer

UNIT_SCALE = Scale(np.ones(2))


class AnywhereBench(PatchBench):
    """Class 1 where anything in the picture is bright."""

    def chance(self, samples):
        return np.array([0.05 + 0.9 * (np.sort(one.ravel())[-40:].mean() > 180) for one in samples])


class SceneBench(PatchBench):
    """Class 1 for the bright patch, but only beside a dark lower right quarter."""

    def chance(self, samples):
        dark = np.array([one[20:, 20:].mean() < 5 for one in samples])
        return 0.05 + 0.9 * dark * (super().chance(samples) > 0.5)


def measured(bench, measure):
    pasted = transfer(bench, FACET, HOSTS, 1, np.random.default_rng(1), 32)
    return measure(bench, pasted, 1, UNIT_SCALE, np.random.default_rng(2))


def test_what_acts_anywhere_transfers_anywhere():
    found = measured(AnywhereBench(), transfer_profile)
    assert found["paste_elsewhere"].value == pytest.approx(1, abs=1e-6)
    assert found["paste_border"].value == pytest.approx(1, abs=1e-6)
    assert found["context_independence"].value == pytest.approx(1, abs=1e-6)
    assert max(signal.p for signal in found.values()) < 1e-6


def test_what_must_lie_at_its_place_does_not_transfer_elsewhere():
    found = measured(PatchBench(), transfer_profile)
    assert found["paste_elsewhere"].value < 0.7
    assert found["context_independence"].value == pytest.approx(1, abs=0.05)


class BrightHosts(SceneBench):
    """Hosts with a pattern in their dark quarter's neighbourhood, which scrambling spreads all over."""

    def __init__(self):
        super().__init__()
        for number in HOSTS:
            self.samples[number][:12, 20:] = 200


def test_what_needs_the_scene_does_nothing_on_noise():
    found = measured(BrightHosts(), transfer_profile)
    assert found["context_independence"].value == 0
    assert found["context_independence"].p > 0.05


def test_a_control_that_does_all_that_the_facet_does_is_reported():
    """The patch is flat: blurred and scrambled it is itself; another sample's same place is dark."""
    found = measured(PatchBench(), strongest_control)
    assert found["control_blurred"].value == pytest.approx(1, abs=1e-6)
    assert found["control_scrambled"].value == pytest.approx(1, abs=1e-6)
    assert found["control_plain"].value == pytest.approx(0, abs=0.05)
    assert found["control_plain"].p < 1e-6
    assert found["strongest_control"] == max(
        (found[name] for name in found if name != "strongest_control"), key=lambda signal: signal.value
    )
    assert found["strongest_control"].p > 0.4


def test_controls_that_do_nothing_leave_the_effect_alone():
    shape = np.random.default_rng(5).integers(0, 2, (8, 8)) * 255

    class Shape(PatchBench):
        """Class 1 for one speckled shape: neither blurred nor scrambled is it the same."""

        def chance(self, samples):
            y0, x0, y1, x1 = self.box
            apart = [np.abs(one[y0:y1, x0:x1, 0].astype(float) - shape).mean() for one in samples]
            return 0.02 + 0.9 * (np.array(apart) < 10)

    bench = Shape()
    for number in range(40):
        bench.samples[number][6:14, 6:14, 0] = shape
    found = measured(bench, strongest_control)
    assert found["strongest_control"].value < 0.1
    assert found["strongest_control"].p < 1e-6


@given(st.integers(2, 40), st.integers(2, 40), st.sampled_from([1, 3]), st.integers(0, 9))
def test_scrambling_keeps_the_spectrum_where_nothing_is_cut_off(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    picture = (30000 + rng.normal(0, 300, (height, width, channels))).astype(np.uint16)
    mixed = scrambled(picture, rng)
    assert mixed.shape == picture.shape
    assert mixed.dtype == picture.dtype
    spectra = [np.abs(np.fft.fft2(one.astype(float), axes=(0, 1))) for one in (picture, mixed)]
    # Rounding to whole numbers leaves white noise of half a level.
    np.testing.assert_allclose(*spectra, atol=3 * np.sqrt(height * width))


def test_scrambling_keeps_no_shape():
    picture = np.zeros((64, 64, 1), np.uint8)
    picture[20:40, 20:40] = 200
    mixed = scrambled(picture, np.random.default_rng(0)).astype(float)
    inside = np.zeros((64, 64), bool)
    inside[20:40, 20:40] = True
    assert abs(np.corrcoef(inside.ravel(), mixed[..., 0].ravel())[0, 1]) < 0.5


def test_blurring_keeps_the_colour_and_takes_the_detail():
    stripes = np.zeros((64, 16, 3), np.uint8)
    stripes[::2] = (200, 100, 50)
    assert np.abs(blurred(stripes)[24:40].astype(float) - (100, 50, 25)).max() <= 1
