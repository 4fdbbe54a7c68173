"""Masks on the sample for people: an outline per class that was found, named and with its share.

Not for the serving worker: the objects of traces and volumes are found with scipy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from foveal.crops import extent_of, inside
from foveal.records import Window
from foveal.regions import Region, find_regions
from foveal.samples.colours import Colours, display
from foveal.samples.legend import INK, PAPER
from foveal.samples.marks import DARK, Brush, font, wrapped
from foveal.samples.render import MIN_SIDE
from foveal.samples.slices import draw_slices
from foveal.samples.strips import draw_strips
from foveal.samples.values import Values, axes_of
from foveal.segmenting.masks import Classes, classes_of
from foveal.segmenting.network import Segmenter

#: Outlines of classes, in their order; told apart by most colour-blind people, and named besides.
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
_MARGIN, _LINE = 8, 20

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Masks:
    """What a segmentation network found in a sample.

    Attributes
    ----------
    classes
        The class of every step of the sample (*S); -1 where the network does not look.
    found
        Number and name of every class that was found, but for the background, and its share of what the
        network looked at, 0 to 1.
    """

    classes: Classes
    found: tuple[tuple[int, str, float], ...]


def masks_of(
    module: nn.Module, x: Tensor, frame: Window, shape: Sequence[int], labels: Sequence[str] = ()
) -> Masks | None:
    """Predict the masks of a sample; None for networks that do not segment.

    Parameters
    ----------
    module
        The network, as a model to audit has it.
    x
        The sample as the network takes it (1, C, *grid).
    frame
        The part of the sample that the network sees.
    shape
        Sides of the sample; its channels may follow.
    labels
        Names of the classes, in order.
    """
    if not isinstance(module, Segmenter):
        return None
    with torch.inference_mode(False), torch.no_grad():
        grid = classes_of(module.output(x))[0]
    counts = np.bincount(grid.ravel())
    found = tuple(
        (index, labels[index] if index < len(labels) else f"class {index}", int(counts[index]) / grid.size)
        for index in np.flatnonzero(counts).tolist()
        if index != module.background
    )
    return Masks(_laid(grid, frame, shape), found)


def _laid(grid: Classes, frame: Window, shape: Sequence[int]) -> Classes:
    """Give every step of a sample the class of the position nearest to it."""
    sides = extent_of(frame)
    nearest = [np.arange(side) * cells // side for side, cells in zip(sides, grid.shape, strict=True)]
    classes = np.full(tuple(shape[: grid.ndim]), -1, np.int64)
    classes[inside(frame)] = grid[np.ix_(*nearest)]
    return classes


def draw_masks(values: Values, masks: Masks) -> Image.Image:
    """Draw a sample (*S, C) with the outlines of its masks and what they are."""
    return _with_words(_DRAWN[axes_of(values)](values, masks), masks)


def painted(values: Values, masks: Masks, zoom: int = 1) -> Colours:
    """Draw the outlines of masks onto a picture (H, W, C), enlarged by a whole factor: RGB, 8 bits."""
    height, width = (side * zoom for side in values.shape[:2])
    picture = Image.fromarray(display(values)).resize((width, height), Image.Resampling.NEAREST)
    for index, _, _ in masks.found:
        mask = (masks.classes == index).repeat(zoom, axis=0).repeat(zoom, axis=1)
        edge = _edge(mask)
        lines = [(_colour(index), edge)]
        if zoom > 1:  # there is room for two pixels, and a dark one beside them
            lines = [(DARK, _edge(~mask)), (_colour(index), edge | _edge(mask & ~edge))]
        for colour, line in lines:
            picture.paste(colour, (0, 0), Image.fromarray(line.astype(np.uint8) * 255))
    return np.asarray(picture)


def _edge(mask: Mask) -> Mask:
    """Mark the steps of a mask that have a neighbour outside it."""
    around = np.pad(mask, 1, mode="edge")  # the picture's own border is no edge
    kept = mask.copy()
    for axis in range(2):
        for step in (-1, 1):
            kept &= np.roll(around, step, axis)[1:-1, 1:-1]
    return mask & ~kept


def _colour(index: int) -> tuple[int, int, int]:
    return COLOURS[index % len(COLOURS)]


def _picture(values: Values, masks: Masks) -> Image.Image:
    zoom = max(1, -(-MIN_SIDE // min(values.shape[:2])))
    picture = Image.fromarray(painted(values, masks, zoom))
    brush = Brush(picture, zoom)
    for index, name, _ in masks.found:
        rows, columns = np.nonzero(masks.classes == index)
        if len(rows):
            brush.label(name, int(columns.min()) * zoom, int(rows.min()) * zoom)
    return picture


def _objects(masks: Masks) -> list[Region]:
    """Give the objects of all masks, those of the first class first."""
    found = ((masks.classes == index).astype(np.float64) for index, _, _ in masks.found)
    return [one for mask in found for one in find_regions(mask, mask.shape)]


def _strips(values: Values, masks: Masks) -> Image.Image:
    return draw_strips(values, 2 * MIN_SIDE, regions=_objects(masks))


def _slices(values: Values, masks: Masks) -> Image.Image:
    own = [index for index, _, _ in masks.found]
    heat = np.isin(masks.classes, own).astype(np.float64)
    return draw_slices(values, MIN_SIDE, heat=heat, regions=_objects(masks))


#: How masks are drawn, by the sample's number of axes.
_DRAWN: dict[int, Callable[[Values, Masks], Image.Image]] = {1: _strips, 2: _picture, 3: _slices}


def in_words(masks: Masks) -> str:
    """Say what was found, most of it first."""
    most = sorted(masks.found, key=lambda one: -one[2])
    return ", ".join(f"{name} ({share:.1%})" for _, name, share in most) or "nothing"


def _with_words(picture: Image.Image, masks: Masks) -> Image.Image:
    lines = wrapped(f"found: {in_words(masks)}", font(15), picture.width - 2 * _MARGIN)
    size = (picture.width, picture.height + 2 * _MARGIN + _LINE * len(lines))
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(picture, (0, 0))
    write = partial(ImageDraw.Draw(sheet).text, fill=INK, font=font(15))
    for number, line in enumerate(lines):
        write((_MARGIN, picture.height + _MARGIN + _LINE * number), line)
    return sheet
