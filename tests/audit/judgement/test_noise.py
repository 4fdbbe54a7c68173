"""The noise that holes are filled with is that of what is around them."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.judgement.filling import fill_smoothly
from foveal_audit.judgement.noise import in_band


def beats(length, every=90, height=40.0):
    t = np.arange(length)
    return sum(height * np.exp(-(((t - at) / 2.0) ** 2) / 2) for at in range(45, length, every))


def coloured(rng, length, spread=1.0):
    """Draw noise without high frequencies, of a given spread."""
    noise = np.convolve(rng.normal(size=length + 30), np.hanning(31), "same")[15:-15]
    return spread * noise / noise.std()


def high(values):
    """Give the share of power in the upper half of the spectrum."""
    power = np.abs(np.fft.rfft(values - values.mean(), axis=0)) ** 2
    return power[len(power) // 2 :].sum() / power.sum()


def test_noise_has_the_strength_of_the_quiet_moments_and_not_of_the_beats():
    rng = np.random.default_rng(0)
    trace = (beats(3000) + rng.normal(size=3000))[:, None].astype(np.float32)
    drawn = in_band(trace, (1400, 1480), rng)
    assert drawn.shape == (80, 1)
    assert 0.6 < drawn.std() < 1.4
    assert trace.std() > 5


@pytest.mark.parametrize("is_white", [True, False])
def test_noise_has_the_spectrum_of_what_is_around(is_white):
    rng = np.random.default_rng(1)
    trace = rng.normal(size=4000) if is_white else coloured(rng, 4000)
    drawn = np.concatenate([in_band(trace[:, None].astype(np.float32), (1000, 1400), rng) for _ in range(8)])
    assert (high(drawn) > 0.3) == is_white
    assert high(drawn) < (0.7 if is_white else 0.02)


def test_leads_that_go_together_keep_going_together():
    rng = np.random.default_rng(2)
    lead = rng.normal(size=2000)
    trace = np.stack([lead, -2 * lead], axis=1).astype(np.float32)
    drawn = in_band(trace, (900, 1000), rng)
    np.testing.assert_allclose(drawn[:, 1], -2 * drawn[:, 0], atol=1e-3)


def test_a_beat_is_taken_out_and_its_baseline_stays():
    rng = np.random.default_rng(3)
    t = np.arange(1200)
    baseline = 5 * np.sin(t / 150)
    trace = (baseline + beats(1200) + 0.3 * rng.normal(size=1200))[:, None].astype(np.float32)
    filled = fill_smoothly(trace, (480, 512), rng)[480:512, 0]  # the beat at 495
    assert trace[480:512].max() > 35
    assert np.abs(filled - baseline[480:512]).max() < 2.5


def test_where_there_is_nothing_around_there_is_no_noise():
    assert not in_band(np.ones((9, 2), np.float32), (0, 9), np.random.default_rng(0)).any()
    assert not in_band(np.ones((14, 2), np.float32), (4, 9), np.random.default_rng(0)).any()


def test_the_same_seed_draws_the_same_noise():
    trace = np.random.default_rng(4).normal(size=(500, 1)).astype(np.float32)
    one, again = (in_band(trace, (200, 260), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
