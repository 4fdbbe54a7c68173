"""Crops as pictures for people: 8 bit RGB, enlarged without inventing detail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .crops import Crops

Pictures = NDArray[np.uint8]  #: (n, h, w, 3)


def as_pictures(crops: Crops) -> Pictures:
    """Turn crops (n, C, h, w) in [0, 1] into RGB.

    Three channels are taken as red, green, blue; of any other number the mean is shown in grey.
    """
    colours = crops if crops.shape[1] == 3 else crops.mean(1, keepdims=True).repeat(3, axis=1)
    return (colours.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


def enlarge(pictures: Pictures, longest: int) -> Pictures:
    """Repeat pixels a whole number of times, so that the longer side comes nearest to ``longest``."""
    factor = max(1, round(longest / max(pictures.shape[1:3])))
    return pictures.repeat(factor, axis=1).repeat(factor, axis=2)
