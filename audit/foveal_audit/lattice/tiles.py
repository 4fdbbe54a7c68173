"""How a frame travels to the sliders: a picture as it is, a trace as its values, which they draw themselves.

Between two stored traces lies a trace; between two pictures of traces would lie a picture of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foveal_audit.generators.crops import Crops, Shape
from foveal_audit.generators.pictures import Pictures, as_pictures


def as_tiles(crops: Crops) -> Pictures:
    """Turn crops (n, C, *s) in [0, 1] into tiles (n, h, w, 3) of 8 bits."""
    return _TILES.get(crops.ndim - 2, as_pictures)(crops)


def tile_side(shape: Shape) -> tuple[int, int]:
    """Give height and width of the tile of a crop (C, *s)."""
    _, height, width, _ = as_tiles(np.zeros((1, *shape), np.float32)).shape
    return height, width


def told_of(shape: Shape) -> dict[str, Any]:
    """Give what the sliders are told beside a tile's side: how many lanes a strip chart of it has."""
    return {"lanes": shape[0]} if len(shape) - 1 in _TILES else {}


def _values(crops: Crops) -> Pictures:
    """Lay each channel (t) of a trace out as a row of grey pixels."""
    return (crops.clip(0, 1) * 255).round().astype(np.uint8)[..., None].repeat(3, axis=3)


#: By the number of axes, where a tile is no picture.
_TILES: Mapping[int, Callable[[Crops], Pictures]] = {1: _values}
