"""Volumes on paper: three slices, one across each axis, grey values windowed, findings drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.samples.colours import Colours, stretched
from foveal.samples.legend import PAPER, Scale
from foveal.samples.marks import Mask, Outlined
from foveal.samples.render import draw_evidence, scale_of
from foveal.samples.values import Values

#: Percentiles between which grey values are told apart.
WINDOW = (1.0, 99.0)
_GAP = 6


@dataclass(frozen=True, eq=False)
class _Flat:
    """An object as one slice shows it."""

    window: tuple[int, ...]
    score: float
    level: float
    mask: Mask


def draw_slices(
    values: Values, size: int, *, heat: NDArray[np.floating] | None = None, regions: Sequence[Outlined] = ()
) -> Image.Image:
    """Draw a volume (Z, Y, X, C) as slices across z, y and x, side by side.

    They go through the middle; where objects were found, through the middle of the first.

    Parameters
    ----------
    size
        Least length in pixels of the longest side of a slice.
    heat
        A map (Z, Y, X), raw and signed.
    regions
        Objects, drawn where a slice meets them.
    """
    grey, scale = eight_bits(values), scale_of(np.zeros(1) if heat is None else heat)
    place = place_of(values, regions)
    zoom = max(1, size // max(values.shape[:3]))
    pictures = [_slice(_Cut(grey, heat, regions, scale), axis, place[axis], zoom) for axis in range(3)]
    return _beside(pictures)


def eight_bits(values: Values) -> Colours:
    """Window a volume (Z, Y, X, C) for the eye: (Z, Y, X, 3)."""
    colour = values[..., :3] if values.shape[-1] >= 3 else np.repeat(values[..., :1], 3, axis=-1)
    return colour.astype(np.uint8) if colour.dtype == np.uint8 else stretched(colour, WINDOW)


def place_of(values: Values, regions: Sequence[Outlined]) -> tuple[int, ...]:
    """Say where the slices of a volume go through: z, y, x."""
    return middle_of(regions[0].window if regions else (0, 0, 0, *values.shape[:3]))


def middle_of(window: Sequence[int]) -> tuple[int, ...]:
    """Give the place in the middle of a window."""
    axes = len(window) // 2
    return tuple((start + stop) // 2 for start, stop in zip(window[:axes], window[axes:], strict=True))


@dataclass(frozen=True, eq=False)
class _Cut:
    """What all slices of a volume share."""

    grey: Colours
    heat: NDArray[np.floating] | None
    regions: Sequence[Outlined]
    scale: Scale


def _slice(volume: _Cut, axis: int, at: int, zoom: int) -> Image.Image:
    plane: Colours = np.ascontiguousarray(_across(volume.grey, axis, at))
    map_ = np.zeros(plane.shape[:2]) if volume.heat is None else _across(volume.heat, axis, at)
    return draw_evidence(plane, map_, _met(volume.regions, axis, at), zoom, bold=False, scale=volume.scale)


def _across(values: NDArray[Any], axis: int, at: int) -> NDArray[Any]:
    """Cut one slice out of an array."""
    plane: NDArray[Any] = np.moveaxis(values, axis, 0)[at]
    return plane


def _met(regions: Sequence[Outlined], axis: int, at: int) -> list[_Flat]:
    """Give the objects that a slice meets, as it shows them."""
    return [
        _Flat(
            tuple(side for place, side in enumerate(region.window) if place % 3 != axis),
            region.score,
            region.level,
            _across(region.mask, axis, at),
        )
        for region in regions
        if region.window[axis] <= at < region.window[axis + 3]
    ]


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(picture.height for picture in pictures)), PAPER)
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + _GAP
    return whole
