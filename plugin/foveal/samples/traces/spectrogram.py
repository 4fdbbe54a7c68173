"""Pictures of sound: how strong each frequency is over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from foveal.errors import UsageError
from foveal.samples.stated import check_keys, whole

#: Power that counts as silence: its logarithm ends the scale.
SILENCE = 1e-10


@dataclass(frozen=True)
class Spectrogram:
    """How a trace becomes a spectrogram: ``preprocess.spectrogram``.

    Attributes
    ----------
    window
        Steps per frame, under a Hann window.
    hop
        Steps from one frame to the next.
    mels
        Bands on the mel scale (HTK's formula), each with an area of 1 in steps of frequency; None for every
        frequency of the transform, window // 2 + 1 of them. Needs ``preprocess.rate``.
    log
        Whether decibels are given (10 log10 of the power, at least -100) and not the power.
    """

    window: int
    hop: int
    mels: int | None = None
    log: bool = True

    def __call__(self, trace: Tensor, rate: float | None) -> Tensor:
        """Turn a trace (C, T) into (C, F, ceil(T / hop)); frame i has its middle in the middle of hop i."""
        frames = self.frames(trace.shape[1])
        left = (self.window - self.hop) // 2
        right = max(0, (frames - 1) * self.hop + self.window - left - trace.shape[1])
        padded = pad(trace, (left, right)) if left >= 0 else pad(trace[:, -left:], (0, right))
        hann = torch.hann_window(self.window, dtype=trace.dtype)
        power = (
            torch.stft(
                padded, self.window, self.hop, self.window, hann, center=False, return_complex=True
            ).abs()
            ** 2
            / hann.square().sum()
        )
        bands = (
            power if self.mels is None else _mel_bands(self.mels, self.window // 2 + 1, rate or 1.0) @ power
        )
        return 10 * torch.log10(bands.clamp(min=SILENCE)) if self.log else bands

    def frames(self, steps: int) -> int:
        """Say how many frames a trace of so many steps has."""
        return -(-steps // self.hop)

    @property
    def bands(self) -> int:
        """Number of frequencies."""
        return self.mels or self.window // 2 + 1

    def hertz(self, edge: float, rate: float) -> float:
        """Give the frequency at an edge of bands: 0 is below the first, :attr:`bands` above the last."""
        if self.mels is None:
            return min(max(edge - 0.5, 0.0) * rate / self.window, rate / 2)
        return _from_mels((edge + 0.5) / (self.mels + 1) * _mels(rate / 2))

    def to_mapping(self) -> dict[str, Any]:
        """Write the section."""
        return asdict(self)


def strongest(evidence: NDArray[Any]) -> tuple[int, int] | None:
    """Give the first row and the one behind the last with at least half of the strongest row's evidence.

    They are those around the strongest row; evidence is counted from 0, or from what every row has. None
    where no row stands out.
    """
    heights = evidence - max(float(evidence.min()), 0.0)
    peak = int(heights.argmax())
    if heights[peak] <= 0:
        return None
    low = np.flatnonzero(heights < heights[peak] / 2)
    return int(low[low < peak].max(initial=-1)) + 1, int(low[low > peak].min(initial=len(heights)))


def read_spectrogram(value: object) -> Spectrogram | None:
    """Read ``preprocess.spectrogram``: ``{window: 512, hop: 256, mels: 64, log: true}``, or null.

    Raises
    ------
    UsageError
        For an unknown key or a value that does not fit.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping) or not {"window", "hop"} <= set(value):
        raise UsageError(f"preprocess.spectrogram is {value!r}", "Give {window: STEPS, hop: STEPS} or null")
    check_keys(value, [field.name for field in fields(Spectrogram)])
    window, hop = (whole(value[key], f"spectrogram.{key}") for key in ("window", "hop"))
    if not hop <= window or window < 2:
        raise UsageError(
            f"preprocess.spectrogram has hop {hop} and window {window}", "Give a hop of at most the window"
        )
    mels = value.get("mels")
    return Spectrogram(
        window, hop, None if mels is None else whole(mels, "spectrogram.mels"), bool(value.get("log", True))
    )


def _mels(hertz: float) -> float:
    """Bring a frequency to the mel scale (HTK's formula)."""
    return 2595 * math.log10(1 + hertz / 700)


def _from_mels(mels: float) -> float:
    return float(700 * (10 ** (mels / 2595) - 1))


@lru_cache(maxsize=8)
def _mel_bands(count: int, frequencies: int, rate: float) -> Tensor:
    """Give the weights (count, frequencies) of triangles that are equally wide on the mel scale."""
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, float(top), count + 2, dtype=torch.float64) / 2595) - 1)
    at = torch.linspace(0, rate / 2, frequencies, dtype=torch.float64)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = torch.minimum((at - low) / (middle - low), (high - at) / (high - middle)).clamp(min=0)
    empty = weights.sum(1) == 0  # a band between two frequencies takes the nearest
    weights[empty, (at - middle[empty]).abs().argmin(1)] = 1
    return (weights / weights.sum(1, keepdim=True)).float()
