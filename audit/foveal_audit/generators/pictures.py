"""Crops as pictures for people: 8 bit RGB, enlarged without inventing detail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from foveal_audit.charts import slices, strips

from .crops import Crops

Pictures = NDArray[np.uint8]  #: (n, h, w, 3)


def as_pictures(crops: Crops) -> Pictures:
    """Turn crops (n, C, *s) in [0, 1] into RGB: traces into strip charts, volumes into their middle slices.

    Of a picture three channels are taken as red, green, blue; of any other number the mean is shown in grey.
    """
    return _DRAWN[crops.ndim - 2](crops)


def _plain(crops: Crops) -> Pictures:
    colours = crops if crops.shape[1] == 3 else crops.mean(1, keepdims=True).repeat(3, axis=1)
    return (colours.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


#: By the number of axes.
_DRAWN: Mapping[int, Callable[[Crops], Pictures]] = {1: strips, 2: _plain, 3: slices}


def enlarge(pictures: Pictures, longest: int) -> Pictures:
    """Repeat pixels a whole number of times, so that the longer side comes nearest to ``longest``."""
    factor = max(1, round(longest / max(pictures.shape[1:3])))
    return pictures.repeat(factor, axis=1).repeat(factor, axis=2)
