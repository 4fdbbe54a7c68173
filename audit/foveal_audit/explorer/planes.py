"""Where windows of a sample lie on a plane: a trace along its time, a volume seen along its first axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from foveal.errors import UsageError
from foveal.samples.arrays import decode_crop
from foveal.samples.colours import display
from foveal_audit.explorer.tiles import crop_picture, map_layer

#: Height of a trace's plane, as a share of its length.
_HIGH = 0.3
Box = tuple[int, ...]


@dataclass(frozen=True)
class Plane:
    """How samples of one number of axes are laid out.

    Attributes
    ----------
    sides
        Gives height and width of the plane of a sample of a shape (*S, C).
    box
        Gives y0, x0, y1, x1 of a window on a plane of that height.
    picture
        Draws a crop from its bytes and its name; None where it is none of ours.
    layer
        Draws a map, flat, of a shape, for a crop's picture of a size.
    scaling
        How pictures of crops are brought to their windows.
    """

    sides: Callable[[Sequence[int]], tuple[int, int]]
    box: Callable[[Sequence[int], int], Box]
    picture: Callable[[bytes, str], Image.Image | None] = crop_picture
    layer: Callable[[Sequence[float], Sequence[int], tuple[int, int]], Image.Image | None] = map_layer
    scaling: Image.Resampling = Image.Resampling.NEAREST


def _middle(crop: bytes, name: str) -> Image.Image | None:
    """Show the middle slice of a volume."""
    try:
        values = decode_crop(crop, name)
    except UsageError:
        return None
    return Image.fromarray(display(values[len(values) // 2]))


def _middle_layer(values: Sequence[float], shape: Sequence[int], size: tuple[int, int]) -> Image.Image | None:
    cells = int(np.prod(shape[1:]))
    start = shape[0] // 2 * cells
    return map_layer(values[start : start + cells], shape[1:], size)


#: By the number of axes.
PLANES: Mapping[int, Plane] = {
    1: Plane(
        lambda shape: (max(1, round(_HIGH * shape[0])), shape[0]),
        lambda window, height: (0, window[0], height, window[1]),
        scaling=Image.Resampling.LANCZOS,
    ),
    2: Plane(lambda shape: (shape[0], shape[1]), lambda window, _height: tuple(window)),
    3: Plane(
        lambda shape: (shape[1], shape[2]),
        lambda window, _height: (window[1], window[2], window[4], window[5]),
        _middle,
        _middle_layer,
    ),
}
