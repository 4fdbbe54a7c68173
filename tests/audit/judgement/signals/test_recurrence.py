"""Whether a detail comes again within its trace, on traces whose answer is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement.signals.recurrence import _others, again, matches, recurrence, recurring

WIDTH, LENGTH = 20, 240


def naive(piece, trace):
    """Compare a piece with every part, one by one."""
    own = piece - piece.mean(axis=0)
    found = []
    for start in range(len(trace) - len(piece) + 1):
        part = trace[start : start + len(piece)]
        part = part - part.mean(axis=0)
        found.append((own * part).sum() / max((own**2).sum(), (part**2).sum()))
    return np.array(found)


@given(st.integers(2, 9), st.integers(9, 30), st.integers(1, 3), st.integers(0, 1000))
def test_matches_are_those_of_the_naive_twin(width, length, channels, seed):
    rng = np.random.default_rng(seed)
    piece, trace = rng.normal(size=(width, channels)), rng.normal(3, 1, size=(length, channels))
    np.testing.assert_allclose(matches(piece, trace), naive(piece, trace), atol=1e-9)


def bump(at, height=1.0, length=LENGTH):
    return height * np.exp(-(((np.arange(length) - at) / 3) ** 2))[:, None]


@pytest.mark.parametrize(
    ("height", "level", "expected"), [(1.0, 0.0, 1.0), (2.0, 0.0, 0.5), (0.5, 0.0, 0.5), (1.0, 40.0, 1.0)]
)
def test_what_comes_again_is_found_at_its_size(height, level, expected):
    own = bump(60) + bump(170, height) + level
    found, without = again((50, 70), own, bump(60))
    assert found == pytest.approx(expected, abs=0.01)
    assert without < 0.1  # the other trace has it at the same place only


def test_long_windows_are_compared_at_fewer_steps():
    slow = np.exp(-(((np.arange(24_000) - 6_000) / 300) ** 2))[:, None]
    own = slow + np.roll(slow, 11_000, axis=0)
    assert again((5_000, 7_000), own, slow)[0] == pytest.approx(1, abs=0.02)


def test_what_fills_its_trace_cannot_come_again():
    assert np.isnan(again((0, LENGTH), bump(60), bump(60))[0])
    assert np.isnan(again((50, 70), bump(60), bump(5, length=12))[1])
    boxes = np.tile([0, LENGTH], (9, 1))
    assert recurrence(np.arange(9), boxes, np.zeros(9, int), lambda _: bump(60)) is None


def told(made, boxes):
    numbers = np.arange(len(made))
    return recurrence(numbers, np.array(boxes), np.roll(numbers, 1), made.__getitem__)


def test_beats_come_again_and_a_pulse_does_not():
    rng, starts = np.random.default_rng(0), np.random.default_rng(1).integers(20, 200, 40)
    noise = rng.normal(0, 0.02, size=(40, LENGTH, 1))
    widths = rng.uniform(2, 6, 40)
    beats = [
        np.exp(-((((np.arange(LENGTH) % 80) - 40) / width) ** 2))[:, None] + rustle
        for width, rustle in zip(widths, noise, strict=True)
    ]
    pulses = [bump(start) + rustle for start, rustle in zip(starts, noise, strict=True)]
    again_and_again = told(beats, [(30, 50)] * 40)
    once = told(pulses, [(start - 10, start + 10) for start in starts])
    assert again_and_again.value > 0.7
    assert again_and_again.p < 0.01
    assert once.value < 0.1


def test_another_sample_is_one_of_the_same_outcome():
    outcomes = np.array([0, 0, 1, 0, 1, 2])
    found = _others(np.array([0, 2, 5]), np.array([0, 2, 3, 4, 5]), outcomes, np.random.default_rng(0))
    assert found.tolist() == [3, 4, -1]


def test_nothing_is_said_of_pictures():
    assert recurring(SimpleNamespace(windows=SimpleNamespace(axes=2))) == {}
