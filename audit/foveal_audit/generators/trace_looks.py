"""Plain statistics of traces with a word for each direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_LEAST = 1e-6


def _swing(traces: Values) -> Values:
    return np.asarray(traces.std(2).mean(1))


def _roughness(traces: Values) -> Values:
    """Logarithm of what a straight line through each point's neighbours leaves out, over the swing."""
    rest = np.diff(traces, 2, axis=2).std(2).mean(1)
    return np.asarray(np.log((rest + _LEAST) / (_swing(traces) + _LEAST)))


def _mass(traces: Values) -> Values:
    """How far every moment is from the median of its channel, all channels together, summing to 1: (n, T)."""
    apart = np.abs(traces - np.median(traces, axis=2, keepdims=True)).mean(1)
    apart = np.maximum(apart - np.median(apart, axis=1, keepdims=True), 0) + _LEAST
    return np.asarray(apart / apart.sum(1, keepdims=True))


def _moment(traces: Values) -> Values:
    return np.asarray((_mass(traces) * np.linspace(0, 1, traces.shape[2])).sum(1))


def _length(traces: Values) -> Values:
    """Root mean square distance of what stands out from its middle, as a share of the crop."""
    apart = np.linspace(0, 1, traces.shape[2]) - _moment(traces)[:, None]
    return np.asarray(np.sqrt((_mass(traces) * apart**2).sum(1)))


def _trend(traces: Values) -> Values:
    """Rise of the straight line through each channel, from the crop's start to its end."""
    places = np.linspace(-0.5, 0.5, traces.shape[2])
    return np.asarray((traces * places).sum(2).mean(1) / (places**2).sum())


def _peaks(traces: Values) -> Values:
    """Skewness: peaks that rise from a flat line against troughs that fall from it."""
    apart = traces - traces.mean(2, keepdims=True)
    return np.asarray(((apart**3).mean(2) / (apart.std(2) ** 3 + _LEAST)).mean(1))


#: Each takes traces (n, C, T) and gives a number for each, (n,).
OF_TRACES: dict[str, Callable[[Values], Values]] = {
    "level": lambda traces: np.asarray(traces.mean((1, 2))),
    "swing": _swing,
    "roughness": _roughness,
    "length": _length,
    "moment": _moment,
    "trend": _trend,
    "peaks": _peaks,
}

#: Per statistic the words for more and for less of it.
TRACE_LOOKS: dict[str, tuple[str, str]] = {
    "level": ("higher", "lower"),
    "swing": ("larger swing", "smaller swing"),
    "roughness": ("rougher", "smoother line"),
    "length": ("longer", "shorter"),
    "moment": ("later", "earlier"),
    "trend": ("rising", "falling"),
    "peaks": ("peaks upwards", "peaks downwards"),
}
