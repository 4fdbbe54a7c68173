"""Plain statistics of crops with a word for each direction: what a person would call a change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace

from .crops import Crops
from .trace_looks import OF_TRACES, TRACE_LOOKS

Values = NDArray[np.float64]  #: (n,)
_LEAST = 1e-6


def measure_looks(crops: Crops) -> dict[str, Values]:
    """Measure crops (n, C, *s) by every statistic of :data:`LOOKS` that applies to them, (n,) each."""
    axes = crops.ndim - 2
    if axes == 1:
        return {name: measure(crops.astype(np.float64)) for name, measure in OF_TRACES.items()}
    grey = crops.mean(1, dtype=np.float64)
    found = {name: measure(grey) for name, measure in _OF_GREY[axes].items()}
    if axes == 2 and crops.shape[1] == 3:
        found |= {name: measure(crops.astype(np.float64)) for name, measure in _OF_COLOURS.items()}
    return found


def _places(grey: Values) -> tuple[int, ...]:
    return tuple(range(1, grey.ndim))


def _brightness(grey: Values) -> Values:
    return np.asarray(grey.mean(_places(grey)))


def _contrast(grey: Values) -> Values:
    return np.asarray(grey.std(_places(grey)))


def _sharpness(grey: Values) -> Values:
    """Logarithm of fine detail over contrast: brightness and contrast do not count."""
    detail = laplace(grey, axes=_places(grey)).std(_places(grey))
    return np.asarray(np.log((detail + _LEAST) / (_contrast(grey) + _LEAST)))


def _mass(grey: Values) -> Values:
    """How much every place stands out from the border's median, grain smoothed away, summing to 1."""
    axes = _places(grey)
    smooth = gaussian_filter(grey, (0, *[1.5] * len(axes)))
    faces = [smooth.take(end, axis) for axis in axes for end in (0, -1)]
    rim = np.concatenate([face.reshape(len(grey), -1) for face in faces], axis=1)
    apart = np.abs(smooth - np.median(rim, axis=1).reshape(-1, *[1] * len(axes)))
    apart = np.maximum(apart - np.quantile(apart, 0.5, axis=axes, keepdims=True), 0) + _LEAST
    return np.asarray(apart / apart.sum(axes, keepdims=True))


def _along(mass: Values, axis: int) -> Values:
    """Sum over all other axes, (n, side)."""
    return np.asarray(mass.sum(tuple(other for other in _places(mass) if other != 1 + axis)))


def _centre(grey: Values, axis: int) -> Values:
    places = np.linspace(0, 1, grey.shape[1 + axis])
    return np.asarray((_along(_mass(grey), axis) * places).sum(1))


def _size(grey: Values) -> Values:
    """Root mean square distance of what stands out from its centre, in crop sides."""
    mass, square = _mass(grey), np.zeros(len(grey))
    for axis in range(grey.ndim - 1):
        places = np.linspace(0, 1, grey.shape[1 + axis])
        along = _along(mass, axis)
        square += (along * places**2).sum(1) - (along * places).sum(1) ** 2
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def _orientation(grey: Values, turned: bool) -> Values:
    """Structure tensor: lines upright against lying (or, turned, rising to the right against falling)."""
    smooth = gaussian_filter(grey, (0, 1.0, 1.0))
    down, right = np.gradient(smooth, axis=(1, 2))
    energy = (down**2 + right**2).mean((1, 2)) + _LEAST**2
    part = -2 * down * right if turned else right**2 - down**2
    # y points down: for a line that rises to the right both slopes have one sign
    return np.asarray((-part if turned else part).mean((1, 2)) / energy)


def _share(colours: Values, channel: int) -> Values:
    return np.asarray(colours[:, channel].mean((1, 2)) - colours.mean((1, 2, 3)))


_Measures = dict[str, Callable[[Values], Values]]
_ANY: _Measures = {
    "brightness": _brightness,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "size": _size,
}
#: By the number of axes.
_OF_GREY: dict[int, _Measures] = {
    2: {
        **_ANY,
        "height": lambda grey: -_centre(grey, 0),
        "side": lambda grey: _centre(grey, 1),
        "uprightness": lambda grey: _orientation(grey, turned=False),
        "slant": lambda grey: _orientation(grey, turned=True),
    },
    3: {
        **_ANY,
        "depth": lambda grey: _centre(grey, 0),
        "height": lambda grey: -_centre(grey, 1),
        "side": lambda grey: _centre(grey, 2),
    },
}
_OF_COLOURS: dict[str, Callable[[Values], Values]] = {
    "redness": lambda colours: _share(colours, 0),
    "greenness": lambda colours: _share(colours, 1),
    "blueness": lambda colours: _share(colours, 2),
    "colourfulness": lambda colours: np.asarray((colours.max(1) - colours.min(1)).mean((1, 2))),
}

#: Per statistic the words for more and for less of it.
LOOKS: dict[str, tuple[str, str]] = {
    "brightness": ("brighter", "darker"),
    "contrast": ("more contrast", "less contrast"),
    "sharpness": ("sharper", "smoother"),
    "size": ("larger", "smaller"),
    "height": ("further up", "further down"),
    "side": ("further right", "further left"),
    "depth": ("in later slices", "in earlier slices"),
    "uprightness": ("lines more upright", "lines more level"),
    "slant": ("lines rise to the right", "lines fall to the right"),
    "redness": ("redder", "less red"),
    "greenness": ("greener", "less green"),
    "blueness": ("bluer", "less blue"),
    "colourfulness": ("more colourful", "paler"),
    **TRACE_LOOKS,
}
