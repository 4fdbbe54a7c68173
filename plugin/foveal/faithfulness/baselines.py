"""What stands where evidence was taken away: the sample blurred, its mean, or zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi

import torch
from torch import Tensor

from foveal.errors import UsageError, nearest

#: Standard deviation of the blur as a part of each side: what is left is shading without objects.
BLUR = 0.1


def blur(x: Tensor, spread: float = BLUR) -> Tensor:
    """Blur samples (B, C, *S) by a Gaussian along every spatial axis, mirrored at the borders.

    Parameters
    ----------
    x
        Samples, any number of spatial axes.
    spread
        Standard deviation as a part of each side.
    """
    blurred = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    for axis in range(2, x.ndim):
        blurred = _blur_axis(blurred, axis, spread * x.shape[axis])
    return blurred.to(x.dtype)


def channel_mean(x: Tensor) -> Tensor:
    """Give every position of a sample (B, C, *S) the sample's own mean, channel by channel."""
    return x.flatten(2).mean(-1).reshape(x.shape[:2] + (1,) * (x.ndim - 2)).expand_as(x)


BASELINES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "blur": blur,
    "mean": channel_mean,
    "zero": torch.zeros_like,
}


def make_baseline(x: Tensor, baseline: str | Tensor) -> Tensor:
    """Make what stands for taken evidence, by name or as it is given: (B, C, *S).

    Raises
    ------
    UsageError
        For an unknown name, or a tensor that does not fit the samples.
    """
    if isinstance(baseline, str):
        if baseline not in BASELINES:
            raise UsageError(f"Unknown baseline {baseline!r}", nearest(baseline, BASELINES))
        return BASELINES[baseline](x)
    try:
        return baseline.to(x).expand_as(x)
    except RuntimeError:
        raise UsageError(
            f"Baseline of shape {tuple(baseline.shape)} does not fit samples of shape {tuple(x.shape)}",
            "Give one of the samples' shape",
        ) from None


def _blur_axis(x: Tensor, axis: int, sigma: float) -> Tensor:
    """Blur along one axis by its spectrum, which costs the same however wide the blur is."""
    side = x.shape[axis]
    mirrored = torch.cat([x, x.flip(axis)], axis)
    frequencies = torch.fft.rfftfreq(2 * side, dtype=x.dtype, device=x.device)
    kept = torch.exp(-2 * (pi * sigma * frequencies) ** 2)
    spectrum = torch.fft.rfft(mirrored, dim=axis).movedim(axis, -1) * kept
    wide: Tensor = torch.fft.irfft(spectrum.movedim(-1, axis), n=2 * side, dim=axis)
    return wide.narrow(axis, 0, side)
