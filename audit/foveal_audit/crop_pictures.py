"""Crops and their maps as flat pictures, whatever number of axes they have: what report and explorer lay out.

A trace becomes its strip chart, over which its map lies as spans of time. A volume becomes three slices
through its middle, where a window has its strongest evidence, and its map is cut the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.samples.colours import display
from foveal.samples.values import Values, axes_of
from foveal_audit.bundle.evidence import Crop, Map
from foveal_audit.charts import GAP, slices, strips
from foveal_audit.spans import Span, span_of
from foveal_audit.units.resizing import resized

#: Places of a crop for each cell of its map, where nobody says how large the crop is.
_PLACES = 8
#: y0, x0, y1, x1, as shares of height and width.
Frame = tuple[float, float, float, float]
#: Of a picture: grey, colours, colours and opacity.
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class _View:
    """How crops of one number of axes become flat.

    Attributes
    ----------
    picture
        Turns a crop (*s, C), and which of its values are 0 and 1, into (h, w, C) of 8 bits.
    field
        Turns a map (*cells) of a crop with these sides into one (h, w) that covers the picture.
    """

    picture: Callable[[Values, Span], Crop]
    field: Callable[[Map, Sequence[int]], Map]


def picture_of(values: Values, span: Span | None = None) -> Crop:
    """Draw a crop (*s, C) as pixels (h, w, C) of 8 bits; a picture stays itself.

    Parameters
    ----------
    span
        Which values are 0 and 1, of all crops that are shown together; by default those of this crop.
    """
    return _VIEWS[axes_of(values)].picture(values, span or span_of([values]))


def field_of(map_: Map, sides: Sequence[int] | None = None) -> Map:
    """Bring the map (*cells) of a crop into the form (h, w) that covers its picture.

    Parameters
    ----------
    sides
        Of the crop; by default in proportion to the map's.
    """
    return _VIEWS[map_.ndim].field(map_, sides or [_PLACES * cells for cells in map_.shape])


def whole_of(values: Values, box: Sequence[int], longest: int) -> tuple[Crop, Frame]:
    """Draw a whole trace or volume (*S, C), and say where a window of it lies in the picture.

    Of a volume the slice across its first axis is drawn that goes through the middle of the window.

    Parameters
    ----------
    box
        The window, all starts, then all ends.
    longest
        Longer side of the picture at most.
    """
    return _WHOLE[axes_of(values)](values, box, longest)


def _whole_trace(values: Values, box: Sequence[int], longest: int) -> tuple[Crop, Frame]:
    picture = strips(_stack(values, span_of([values])), longest)[0]
    start, end = (step / len(values) for step in box)
    return picture, (0.0, start, 1.0, end)


def _whole_volume(values: Values, box: Sequence[int], longest: int) -> tuple[Crop, Frame]:
    z0, y0, x0, z1, y1, x1 = box
    image = Image.fromarray(display(values[(z0 + z1) // 2]))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    height, width = values.shape[1:3]
    return np.asarray(image), (y0 / height, x0 / width, y1 / height, x1 / width)


def _eight_bits(pixels: Values, span: Span) -> Crop:
    """Give pixels in 8 bits; of more channels than a picture has the first three, of two the first."""
    if pixels.shape[2] not in _CHANNELS:
        pixels = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    if np.dtype(pixels.dtype).kind != "u":
        return (span.shares(pixels) * 255).round().astype(np.uint8)
    scale = np.iinfo(pixels.dtype).max / 255
    return (pixels.astype(np.float32) / scale).round().astype(np.uint8)


def _stack(values: Values, span: Span) -> NDArray[np.float32]:
    """Give a crop (*s, C) as the only one of a stack (1, C, *s) in 0 to 1."""
    return np.moveaxis(span.shares(values), -1, 0)[None]


def _slices(map_: Map, sides: Sequence[int]) -> Map:
    """Cut a map as its crop is cut; 0 where there is no slice."""
    known = np.nan_to_num(np.asarray(map_, np.float32), posinf=0, neginf=0)
    (large,) = resized(known[..., None], sides)
    deep, high, wide = sides
    flat = np.zeros((high + deep + GAP, wide + deep + GAP), np.float32)
    flat[:high, :wide] = large[deep // 2]
    flat[:high, wide + GAP :] = large[..., wide // 2].T
    flat[high + GAP :, :wide] = large[:, high // 2]
    return flat


#: By the number of axes.
_VIEWS: Mapping[int, _View] = {
    1: _View(lambda values, span: strips(_stack(values, span))[0], lambda map_, _sides: map_[None]),
    2: _View(_eight_bits, lambda map_, _sides: map_),
    3: _View(lambda values, span: slices(_stack(values, span))[0], _slices),
}
_WHOLE: Mapping[int, Callable[[Values, Sequence[int], int], tuple[Crop, Frame]]] = {
    1: _whole_trace,
    3: _whole_volume,
}
