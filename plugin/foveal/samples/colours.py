"""The colours of evidence: orange speaks for, blue against, the stronger the lighter; grey keeps the order.

Blue and orange stay apart for readers who do not tell red from green, and in either kind of colour blindness
the lightness follows the amount. Contour lines carry the same besides, so that colour is never alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values

Colours = NDArray[np.uint8]

#: Colours at equal steps of the value, from -1 to 1.
_EVIDENCE = (
    "b5e6ff 7cc8fb 48a5ec 2281cf 125ea6 0c3f78 0a254a 1c1c22 47200a 74300a a34706 cf6408 f08a1c ffb440 ffe08a"
)
_ANCHORS = np.array(
    [[int(colour[at : at + 2], 16) for at in (0, 2, 4)] for colour in _EVIDENCE.split()], float
)


def evidence(values: NDArray[np.floating]) -> Colours:
    """Colour values in [-1, 1] (values outside are clipped): (...,) to uint8 (..., 3)."""
    place = (np.clip(values, -1, 1) + 1) / 2 * (len(_ANCHORS) - 1)
    lower = np.minimum(place.astype(int), len(_ANCHORS) - 2)
    part = (place - lower)[..., None]
    colours: Colours = np.rint(_ANCHORS[lower] * (1 - part) + _ANCHORS[lower + 1] * part).astype(np.uint8)
    return colours


def display(pixels: Values) -> Colours:
    """Make 8-bit colour (H, W, 3) for the eye: the first three channels, or the first where there are fewer.

    Values of more than 8 bits are stretched over what the sample uses.
    """
    colour = np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[..., :3]
    return colour.astype(np.uint8) if colour.dtype == np.uint8 else stretched(colour, (0.5, 99.5))


def stretched(values: Values, percentiles: tuple[float, float]) -> Colours:
    """Bring values of any type to 8 bits, so that what lies between two percentiles is told apart."""
    wide = values.astype(np.float64)
    low, high = np.percentile(wide, percentiles)
    least = 1.0 if values.dtype.kind in "iu" else np.finfo(np.float32).tiny
    eight: Colours = np.rint(np.clip((wide - low) / max(high - low, least), 0, 1) * 255).astype(np.uint8)
    return eight
