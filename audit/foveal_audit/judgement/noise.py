"""The noise of what is around a hole: fine grain beside pictures, noise in the same band beside traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from foveal.crops import inside
from foveal.records import Window

Floats = NDArray[np.float32]

#: Pixels around a hole whose differences tell the grain.
_REACH = 8
#: Length of the pieces that noise of a trace is made of, in samples, and the share of them, the quietest
#: first, that is taken for noise: the others hold what the trace is about.
_SHORTEST, _LONGEST, _QUIET = 8, 256, 0.25
#: Pieces are taken from so many lengths of the hole on either side, and so many of them at least.
_LENGTHS, _PIECES = 8, 16


def grain(values: Floats, window: Window, rng: np.random.Generator) -> Floats:
    """Draw the fine noise of the surroundings of a box: differences of neighbours along the last axis.

    Parameters
    ----------
    values
        The sample (*S, C).
    window
        What is to be filled.
    rng
        Draws the noise.

    Returns
    -------
    float32 (*s, C) of the window's size.
    """
    axes = len(window) // 2
    around = values[
        tuple(
            slice(max(0, low - _REACH), high + _REACH)
            for low, high in zip(window[:axes], window[axes:], strict=True)
        )
    ]
    steps = np.diff(around, axis=axes - 1).ravel() / np.sqrt(2)
    # The median keeps the edges of what is being removed out of the noise.
    spread = float(np.quantile(np.abs(steps), 0.5)) / 0.6745 if steps.size else 0.0
    return rng.normal(0, spread, values[inside(window)].shape).astype(np.float32)


def in_band(values: Floats, window: Window, rng: np.random.Generator) -> Floats:
    """Draw noise with the spectrum that a trace has in its quiet moments around a hole; see :func:`grain`.

    Quiet pieces are given random phases, the same for all channels so that these keep going together, and
    laid over each other by halves.
    """
    start, stop = window
    pieces = _quiet_pieces(values, start, stop)
    filled = np.zeros((stop - start, values.shape[1]), dtype=np.float32)
    if not len(pieces):
        return filled
    length = pieces.shape[1]
    fade = np.sin((np.arange(length) + 0.5) * np.pi / length)[:, None]  # powers of two halves add up to 1
    half = length // 2
    for place in range(-half, stop - start, half):
        piece = fade * _turned(pieces[int(rng.integers(len(pieces)))], rng)
        low, high = max(0, place), min(stop - start, place + length)
        filled[low:high] += piece[low - place : high - place].astype(np.float32)
    return filled


def _quiet_pieces(values: Floats, start: int, stop: int) -> NDArray[np.float64]:
    """Give the quietest pieces beside a hole without their slope, (k, length, C)."""
    length = int(np.clip((stop - start) // 2, _SHORTEST, _LONGEST)) // 2 * 2
    reach = max(_LENGTHS * (stop - start), _PIECES * length)
    sides = values[max(0, start - reach) : start], values[stop : stop + reach]
    found = [
        side[place : place + length]
        for side in sides
        for place in range(0, len(side) - length + 1, length // 2)
    ]
    if not found:
        return np.zeros((0, length, values.shape[1]))
    pieces = np.stack(found).astype(np.float64)
    pieces -= pieces.mean(axis=1, keepdims=True)
    ramp = np.linspace(-1, 1, length)[None, :, None]
    pieces -= (pieces * ramp).mean(axis=1, keepdims=True) / (ramp**2).mean() * ramp
    spreads = pieces.std(axis=1)
    loudness = (spreads / np.maximum(np.median(spreads, axis=0), 1e-12)).mean(axis=1)
    return pieces[np.argsort(loudness, kind="stable")[: max(1, round(_QUIET * len(pieces)))]]


def _turned(piece: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Give a piece (length, C) with the same spectrum and random phases."""
    spectrum = np.fft.rfft(piece, axis=0)
    phases = np.exp(2j * np.pi * rng.random(len(spectrum)))
    return np.asarray(np.fft.irfft(spectrum * phases[:, None], n=len(piece), axis=0))


#: By the number of axes.
NOISES: Mapping[int, Callable[[Floats, Window, np.random.Generator], Floats]] = {
    1: in_band,
    2: grain,
    3: grain,
}
