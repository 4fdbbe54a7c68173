"""Traces as networks take them, against other people's implementations and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from foveal.errors import UsageError
from foveal.samples.kinds import read_transform
from foveal.samples.traces.resampling import resample, resampled_length
from foveal.samples.traces.spectrogram import Spectrogram, strongest
from foveal.samples.traces.transform import AudioTransform, TraceTransform


def tone(frequency, rate, seconds=1.0):
    return torch.sin(2 * math.pi * frequency * torch.arange(int(rate * seconds)) / rate)[None]


@pytest.mark.parametrize(
    ("old", "new"), [(360, 250), (250, 360), (8000, 16000), (44100, 16000), (173.61, 100)]
)
def test_a_tone_stays_the_tone(old, new):
    frequency = 0.2 * min(old, new)
    again = resample(tone(frequency, old), old, new)
    assert again.shape[1] == resampled_length(int(old), old, new)
    inner = slice(int(0.2 * new), int(0.8 * new))
    steps = torch.arange(again.shape[1])[inner]
    wanted = torch.sin(2 * math.pi * frequency * steps / new)
    assert (again[0, inner] - wanted).abs().max() < 4e-3


def test_what_the_new_rate_cannot_hold_is_left_out():
    assert resample(tone(150, 1000), 1000, 200)[0, 20:-20].abs().max() < 1e-2


@pytest.mark.parametrize(("up", "down"), [(2, 3), (5, 2), (16, 25)])
def test_as_scipy_does_it(up, down):
    smooth = np.convolve(np.random.default_rng(0).normal(size=900), np.hanning(41), "same")
    ours = resample(torch.tensor(smooth, dtype=torch.float32)[None], down, up)[0].numpy()
    theirs = signal.resample_poly(smooth, up, down, window=("kaiser", 8.0))
    inner = slice(60, min(len(ours), len(theirs)) - 60)
    assert np.abs(ours[inner] - theirs[inner]).max() < 0.01 * np.ptp(smooth)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 200))
@settings(deadline=None, max_examples=40)
def test_a_constant_stays_and_the_length_is_the_ceiling(old, new, steps):
    again = resample(torch.full((2, steps), 3.5), old, new)
    assert again.shape == (2, math.ceil(steps * new / old))
    torch.testing.assert_close(again, torch.full_like(again, 3.5))


def spectrum(trace, window, hop):
    """Compute the power of every frame with NumPy, frame by frame; frames are centred on their hops."""
    hann = signal.get_window("hann", window)
    frames = -(-len(trace) // hop)
    out = np.zeros((window // 2 + 1, frames))
    for frame in range(frames):
        start = frame * hop - (window - hop) // 2
        part = np.array([trace[at] if 0 <= at < len(trace) else 0 for at in range(start, start + window)])
        out[:, frame] = np.abs(np.fft.rfft(part * hann)) ** 2 / (hann**2).sum()
    return out


@given(st.integers(1, 80), st.sampled_from([(8, 4), (16, 16), (9, 5), (12, 3)]))
@settings(deadline=None, max_examples=40)
def test_spectrograms_against_the_twin(steps, sizes):
    trace = np.random.default_rng(steps).normal(size=steps)
    taken = Spectrogram(*sizes, log=False)(torch.tensor(trace, dtype=torch.float32)[None], None)[0]
    np.testing.assert_allclose(taken.numpy(), spectrum(trace, *sizes), rtol=2e-4, atol=1e-5)


def test_a_tone_lies_in_its_band_and_silence_at_the_end_of_the_scale():
    loud = Spectrogram(256, 128, mels=20)(tone(1000, 8000), 8000)
    quiet = Spectrogram(256, 128, mels=20)(torch.zeros(1, 8000), 8000)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22) / 2595) - 1)
    band = int(loud[0].mean(1).argmax())
    assert edges[band] <= 1000 <= edges[band + 2]
    assert quiet.unique().tolist() == [pytest.approx(-100)]


def test_a_trace_by_hand():
    transform = TraceTransform(size=(4,), mean=(1.0, 0.0), std=(2.0, 1.0))
    values = np.array([[1, 10], [3, 20], [5, 30]], np.float32)
    made = transform(values)
    assert made.tolist() == [[0, 1, 2, -0.5], [10, 20, 30, 0]]
    np.testing.assert_allclose(transform.inverse(made), [[1, 10], [3, 20], [5, 30], [0, 0]])
    assert transform(np.full((9, 2), 16384, np.int16))[1].tolist() == [0.5] * 4


def test_standardised_channel_by_channel():
    values = np.stack([np.arange(5.0), np.full(5, 7.0)], 1).astype(np.float32)
    made = TraceTransform(standardise=True)(values)
    assert made[0].mean() == pytest.approx(0, abs=1e-6)
    assert made[0].std(unbiased=False) == pytest.approx(1)
    assert not made[1].any()


def test_sounds_are_mixed_and_signals_refused():
    values = np.array([[0, 16384], [16384, 16384]], np.int16)
    assert AudioTransform(channels=1)(values).tolist() == [[0.25, 0.5]]
    with pytest.raises(UsageError) as caught:
        TraceTransform(channels=1)(values, "t.csv")
    assert str(caught.value) == (
        "Sample 't.csv' has 2 channels, the model takes 1. Send the channels that it was trained on, "
        "or pass its own --channels to `foveal pack`."
    )


def test_maps_lie_on_the_part_of_a_trace_that_the_network_saw():
    transform = TraceTransform(rate=100.0, size=(200,))
    map_ = np.arange(10.0)
    # Two seconds at 100 a second; the sample has 3 s at 50 a second: its first 2 s are seen.
    assert transform.frame((150, 1), (1 / 50,)) == (0, 100)
    np.testing.assert_array_equal(transform.on_sample(map_, (150, 1), (1 / 50,)), map_)
    # One second fills half of the network's input: half of the cells lie on it.
    assert transform.frame((50, 1), (1 / 50,)) == (0, 50)
    np.testing.assert_array_equal(transform.on_sample(map_, (50, 1), (1 / 50,)), map_[:5])
    # Without a rate of its own, a sample has the network's.
    assert transform.frame((300, 1)) == (0, 200)


def test_frequencies_are_added_up():
    transform = AudioTransform(spectrogram=Spectrogram(16, 8))
    map_ = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(transform.on_sample(map_, (500, 1)), map_.sum(1))


def test_edges_of_bands_by_hand():
    plain, mel = Spectrogram(8, 4), Spectrogram(256, 128, mels=20)
    assert [plain.hertz(edge, 8000) for edge in range(6)] == [0, 500, 1500, 2500, 3500, 4000]
    assert plain.hertz(1.5, 8000) == 1000  # the middle of the second band
    # Twenty-two points, evenly spaced in mels, are where the triangles begin, peak and end.
    points = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22)
    middles = 700 * (10 ** (points[1:-1] / 2595) - 1)
    np.testing.assert_allclose([mel.hertz(band + 0.5, 8000) for band in range(20)], middles, rtol=1e-9)


@pytest.mark.parametrize(
    ("evidence", "rows"),
    [
        ([0, 1, 4, 3, 1], (2, 4)),
        ([4, 3, 1, 4], (0, 2)),
        ([-9, -9, 0.1], (2, 3)),
        ([5, 5, 9, 7, 5], (2, 4)),  # what all rows have does not count
        ([3, 3, 3], None),
        ([-1, -2], None),
    ],
)
def test_rows_around_the_strongest(evidence, rows):
    assert strongest(np.array(evidence, np.float32)) == rows


@given(st.floats(150, 3850), st.sampled_from([None, 24, 40]), st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_the_band_of_a_tone_in_noise_holds_the_tone(frequency, mels, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.05, (4000, 1)).astype(np.float32)
    values[2000:3000, 0] += np.sin(2 * np.pi * frequency * np.arange(1000) / 8000)
    values[:1000, 0] += 5 * np.sin(2 * np.pi * 700 * np.arange(1000) / 8000)  # elsewhere, and louder
    transform = AudioTransform(rate=8000.0, size=(6000,), spectrogram=Spectrogram(256, 128, mels, log=False))
    power = transform(values, "s", (1 / 8000,))[0].numpy()
    low, high = transform.band(power, (2000, 3000), values.shape, (1 / 8000,))
    assert low <= frequency <= high
    assert high - low <= max(160, 0.3 * frequency)


def test_no_band_without_frequencies_or_their_unit():
    map_ = np.arange(15.0).reshape(3, 5)
    assert TraceTransform(rate=100.0).band(map_, (0, 4), (40, 1)) is None
    assert AudioTransform(spectrogram=Spectrogram(16, 8)).band(map_, (0, 4), (40, 1)) is None
    assert AudioTransform(spectrogram=Spectrogram(16, 8)).band(map_, (0, 4), (40, 1), (0.01,)) is not None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sise": 4}, "Unknown key 'preprocess.sise'. Did you mean 'size' or 'standardise'."),
        ({"rate": 0}, "preprocess.rate is 0. Give steps per second, above 0."),
        ({"rate": True}, "preprocess.rate is True. Give steps per second, above 0."),
        ({"size": [4, 5]}, "preprocess.size is [4, 5]. Give [steps] or null."),
        ({"standardise": 1}, "preprocess.standardise is 1. Give true or false."),
        ({"std": [0]}, "preprocess.std has the value 0.0. Give values above 0."),
        (
            {"channels": 3, "mean": [1, 2]},
            "preprocess.mean has 2 values for 3 channels. Give one value, or one per channel.",
        ),
        (
            {"spectrogram": {"window": 4}},
            "preprocess.spectrogram is {'window': 4}. Give {window: STEPS, hop: STEPS} or null.",
        ),
        (
            {"spectrogram": {"window": 4, "hop": 8}},
            "preprocess.spectrogram has hop 8 and window 4. Give a hop of at most the window.",
        ),
        (
            {"spectrogram": {"window": 8, "hop": 4, "mels": 3}},
            "preprocess.spectrogram.mels needs a rate. Give preprocess.rate.",
        ),
    ],
)
def test_sections_that_do_not_fit(section, message):
    with pytest.raises(UsageError) as caught:
        read_transform({"kind": "signal", **section})
    assert str(caught.value) == message
