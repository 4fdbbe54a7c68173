"""Plain properties of whole pictures, as data checkers measure them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace

from foveal.samples.values import Values, axes_of
from foveal_audit.spans import FULL, Span

#: A sample (*S, C) in 0 to 1 with its mean over the channels (*S).
_Measure = Callable[[NDArray[np.float32], NDArray[np.float32]], float]


def _entropy(grey: NDArray[np.float32]) -> float:
    """Shannon entropy of the grey values in bits."""
    shares = np.bincount((grey * 255).round().astype(np.int64).ravel()) / grey.size
    return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())


def _range(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the range of every pixel over its channels; numpy's is slow along a short axis."""
    channels = np.moveaxis(colour, -1, 0)
    return np.asarray(reduce(np.maximum, channels) - reduce(np.minimum, channels))


def _channel(number: int) -> _Measure:
    """Share of one channel in the whole brightness; that of the only channel is 1."""
    return lambda colour, grey: float(
        colour[..., min(number, colour.shape[-1] - 1)].mean()
        / max(colour.shape[-1] * float(grey.mean()), 1e-6)
    )


#: Datalab's and CleanVision's (dark, light, low information, blurry, greyscale, odd size, odd shape) and
#: Deepchecks' (contrast, share of each colour), as plain numbers.
_MEASURES: Mapping[str, _Measure] = {
    "brightness": lambda _, grey: float(grey.mean()),
    "dark": lambda _, grey: float(np.percentile(grey, 99)),
    "light": lambda _, grey: float(np.percentile(grey, 5)),
    "contrast": lambda _, grey: float(grey.std()),
    "information": lambda _, grey: _entropy(grey),
    "sharpness": lambda _, grey: float(np.log(laplace(grey).var() + 1e-8)),
    "colourfulness": lambda colour, _: float(_range(colour).mean()),
    "red": _channel(0),
    "green": _channel(1),
    "blue": _channel(2),
    "area": lambda _, grey: float(np.sqrt(grey.size)),
    "shape": lambda _, grey: grey.shape[1] / grey.shape[0],
}
#: Those of what is no picture: nothing is asked of colours, nor of a shape.
_PLAIN = ("brightness", "dark", "light", "contrast", "information", "sharpness", "area")
_MEASURED: Mapping[int, Mapping[str, _Measure]] = {
    1: {name: _MEASURES[name] for name in _PLAIN},
    2: _MEASURES,
    3: {name: _MEASURES[name] for name in _PLAIN},
}
#: The properties, in the order of :func:`measure`, by the number of axes.
LOOKS: Mapping[int, tuple[str, ...]] = {axes: tuple(measures) for axes, measures in _MEASURED.items()}


def measure(values: Values, span: Span = FULL) -> NDArray[np.float64]:
    """Measure every property of one sample (*S, C), float64 (properties,)."""
    colour = (
        np.asarray(values / np.iinfo(values.dtype).max, dtype=np.float32)
        if span == FULL
        else span.shares(values)
    )
    grey = colour.mean(axis=-1)
    return np.array([one(colour, grey) for one in _MEASURED[axes_of(values)].values()])
