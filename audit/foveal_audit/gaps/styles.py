"""How a sample was taken, by its number of axes: statistics of the file, not of what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values
from foveal_audit.gaps.style import picture_styles
from foveal_audit.properties.tiles import as_shares
from foveal_audit.spans import Span

Floats = NDArray[np.float32]

_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_RESIDUALS = (0.25, 0.5, 0.75, 0.95)
#: Sizes at which detail is measured: full, half, quarter.
_SCALES = 3
#: Differences below a hundredth of what samples span count little.
_FLOOR = np.float32(0.01)
#: Middle part of a volume that is looked at, in voxels, and octaves of a trace's spectrum.
_LARGEST, _OCTAVES = 96, 8


def trace_styles(traces: Sequence[Values], span: Span) -> list[Floats]:
    """Describe traces (T, C): quantiles, spread, detail at three scales and octaves of the spectrum.

    Of several leads their mean and spread over the leads, so that a trace of any number of leads has as many
    numbers. What is steeper or louder by less than a hundredth of the span counts little.
    """
    found = []
    for trace in traces:
        leads = np.stack([_lead(lead) for lead in as_shares(trace, span).T])
        found.append(np.concatenate([leads.mean(axis=0), leads.std(axis=0)]).astype(np.float32))
    return found


def _lead(lead: Floats) -> Floats:
    parts = [np.quantile(lead, _QUANTILES), np.array([lead.std()]), _octaves(lead)]
    for _ in range(_SCALES):
        steep = np.abs(np.diff(lead, 2)) if len(lead) > 2 else np.zeros(1)
        parts.append(np.log(np.quantile(steep, _RESIDUALS) + _FLOOR))
        lead = lead[: len(lead) // 2 * 2].reshape(-1, 2).mean(axis=1) if len(lead) > 1 else lead
    return np.concatenate(parts).astype(np.float32)


def _octaves(lead: Floats) -> Floats:
    """Give the logarithm of the amplitude in each octave of the spectrum, the highest first."""
    power = np.abs(np.fft.rfft(lead - lead.mean())) ** 2 * 2 / len(lead) ** 2
    found, high = [], len(power)
    for _ in range(_OCTAVES):
        low = high // 2
        found.append(np.log(np.sqrt(power[low:high].sum()) + _FLOOR))
        high = low
    return np.array(found, dtype=np.float32)


def volume_styles(volumes: Sequence[Values], span: Span) -> list[Floats]:
    """Describe volumes (Z, Y, X, C): quantiles, mean and spread of each channel, detail at three scales."""
    return [_volume(as_shares(_middle(volume), span)) for volume in volumes]


def _middle(volume: Values) -> Values:
    starts = [max(0, side - _LARGEST) // 2 for side in volume.shape[:-1]]
    return volume[tuple(slice(start, start + _LARGEST) for start in starts)]


def _volume(shares: Floats) -> Floats:
    flat = shares.reshape(-1, shares.shape[-1])
    parts = [np.quantile(flat, _QUANTILES, axis=0).ravel(), flat.mean(axis=0), flat.std(axis=0)]
    grey = shares.mean(axis=-1)
    for _ in range(_SCALES):
        parts.append(np.log(np.quantile(_laplacian(grey), _RESIDUALS) + _FLOOR))
        grey = _halved(grey)
    return np.concatenate(parts).astype(np.float32)


def _laplacian(grey: Floats) -> Floats:
    """Say how far each voxel inside is from the mean of its six neighbours."""
    if min(grey.shape) < 3:
        return np.zeros(1, dtype=np.float32)
    inner = (slice(1, -1),) * grey.ndim
    around = sum(
        grey[(*inner[:axis], beside, *inner[axis + 1 :])]
        for axis in range(grey.ndim)
        for beside in (slice(None, -2), slice(2, None))
    )
    return np.asarray(np.abs(grey[inner] - around / (2 * grey.ndim)).ravel())


def _halved(grey: Floats) -> Floats:
    for axis, side in enumerate(grey.shape):
        if side > 1:
            pairs = np.arange(0, side - 1, 2)
            grey = np.asarray((grey.take(pairs, axis=axis) + grey.take(pairs + 1, axis=axis)) / 2)
    return grey


#: By the number of axes.
STYLES: Mapping[int, Callable[[Sequence[Values], Span], list[Floats]]] = {
    1: trace_styles,
    2: lambda pictures, _span: picture_styles(pictures),
    3: volume_styles,
}
