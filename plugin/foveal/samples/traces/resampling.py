"""Traces at another rate, by band-limited interpolation.

J. O. Smith, Digital Audio Resampling, https://ccrma.stanford.edu/~jos/resample/. Torch only: the serving
worker may not import scipy, and torchaudio is a large dependency for one function.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from foveal.errors import UsageError
from foveal.samples.traces.sounds import check_length

#: Zero crossings of the sinc on either side, and the share of the band that is kept.
_CROSSINGS, _KEPT = 16, 0.95
#: Rates are related by a fraction of whole numbers up to this one.
_LARGEST = 1000
#: Rates whose filter has more values than this are refused: it is the rates' fraction that makes it large.
_MOST_WEIGHTS = 2**23


def check_rates(shape: tuple[int, ...], old: float, new: float, name: str) -> None:
    """Refuse, before memory is taken, rates that a trace (C, T) cannot be brought from and to.

    Raises
    ------
    UsageError
        If one rate is more than a thousand times the other or no small fraction relates them, or if the trace
        would be too long at its new rate; names the sample.
    """
    if not 1 / _LARGEST <= new / old <= _LARGEST or _weights(old, new) > _MOST_WEIGHTS:
        raise UsageError(
            f"Sample {name!r} has {old:g} steps a second, the model takes {new:g}",
            "Correct the rate that the sample states, or send it at the model's",
        )
    if old != new:
        check_length(shape[0] * resampled_length(shape[1], old, new), name)


def resampled_length(steps: int, old: float, new: float) -> int:
    """Say how many steps a trace has at its new rate, at least one."""
    return max(1, math.ceil(steps * _ratio(old, new)))


def resample(trace: Tensor, old: float, new: float) -> Tensor:
    """Bring a trace (C, T) from one rate to another: (C, ceil(T new / old)).

    Frequencies above half of either rate are left out; beyond its ends the trace goes on as it ends.
    """
    ratio = _ratio(old, new)
    if ratio == 1:
        return trace
    up, down = ratio.numerator, ratio.denominator
    kernels, reach = _kernels(up, down)
    steps = resampled_length(trace.shape[1], old, new)
    padded = pad(trace[:, None], (reach, reach + down), mode="replicate")
    phases = conv1d(padded, kernels.to(trace), stride=down)
    return phases.transpose(1, 2).reshape(len(trace), -1)[:, :steps].contiguous()


@lru_cache(maxsize=64)  # asked several times of every map
def _ratio(old: float, new: float) -> Fraction:
    return (Fraction(new) / Fraction(old)).limit_denominator(_LARGEST)


def _weights(old: float, new: float) -> int:
    """Count the values of the filter between two rates."""
    ratio = _ratio(old, new)
    _, reach = _band(ratio.numerator, ratio.denominator)
    return ratio.numerator * (2 * reach + ratio.denominator)


def _band(up: int, down: int) -> tuple[float, int]:
    """Give the share of the band that stays, and how many steps the filter reaches back."""
    band = min(1.0, up / down) * _KEPT
    return band, math.ceil(_CROSSINGS / band)


@lru_cache(maxsize=8)
def _kernels(up: int, down: int) -> tuple[Tensor, int]:
    """Give the filter of every phase (up, 1, 2 reach + down), and how many steps it reaches back."""
    band, reach = _band(up, down)
    steps = torch.arange(-reach, reach + down, dtype=torch.float64)
    places = torch.arange(up, dtype=torch.float64)[:, None] * down / up
    distance = (steps - places) * band
    inside = (distance / _CROSSINGS).clamp(-1, 1)
    weights = torch.sinc(distance) * torch.cos(inside * math.pi / 2) ** 2
    weights /= weights.sum(1, keepdim=True)
    return weights[:, None].float(), reach
