"""Plain properties of whole pictures, as data checkers measure them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace

from foveal.samples.images import Pixels

#: A picture (H, W, C) in 0 to 1 with its mean over the channels (H, W).
_Measure = Callable[[NDArray[np.float32], NDArray[np.float32]], float]


def _entropy(grey: NDArray[np.float32]) -> float:
    """Shannon entropy of the grey values in bits."""
    shares = np.bincount((grey * 255).round().astype(np.int64).ravel()) / grey.size
    return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())


def _range(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the range of every pixel over its channels; numpy's is slow along a short axis."""
    channels = np.moveaxis(colour, 2, 0)
    return np.asarray(reduce(np.maximum, channels) - reduce(np.minimum, channels))


def _channel(number: int) -> _Measure:
    """Share of one channel in the whole brightness; that of the only channel is 1."""
    return lambda colour, grey: float(
        colour[..., min(number, colour.shape[2] - 1)].mean() / max(colour.shape[2] * float(grey.mean()), 1e-6)
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
#: The properties, in the order of :func:`measure`.
LOOKS = tuple(_MEASURES)


def measure(pixels: Pixels) -> NDArray[np.float64]:
    """Measure every property of one picture (H, W, C) of 8 or 16 bits, float64 (properties,)."""
    colour = np.asarray(pixels / np.iinfo(pixels.dtype).max, dtype=np.float32)
    grey = colour.mean(axis=2)
    return np.array([one(colour, grey) for one in _MEASURES.values()])
