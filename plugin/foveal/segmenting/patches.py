"""The patches of a node: the receptive fields of its strongest positions (US 12,062,225 B2, S4 and S5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.crops import cut_map
from foveal.records import Window
from foveal.segmenting.fields import Fields

Floats = NDArray[np.float32]

#: A patch is kept if its share is at least this part of the first one's, as windows are.
MIN_SHARE = 0.15


@dataclass(frozen=True, eq=False)
class Patch:
    """A patch that was found.

    Attributes
    ----------
    window
        The receptive field in the sample's steps, half-open.
    share
        Part of the map's positive mass that lies in it, 0 to 1.
    map
        The map's cells in it.
    """

    window: Window
    share: float
    map: Floats


def find_patches(map_: Floats, fields: Fields, extent: Sequence[int], most: int) -> list[Patch]:
    """Find the receptive fields of the strongest positions of a map, none overlapping, strongest first.

    Parameters
    ----------
    map_
        Raw map (*cells) of the layer whose fields are given.
    fields
        Receptive fields in steps of the network's input.
    extent
        Sides of the part of the sample that the network saw.
    most
        Number of patches at most.

    Returns
    -------
    list of Patch
        Empty where the map has no positive, finite mass. The first has the map's strongest position.
    """
    positive = np.clip(map_.astype(np.float64), 0, None)
    mass = float(positive.sum())
    if not (np.isfinite(mass) and mass > 0):
        return []
    found: list[Patch] = []
    left = positive.copy()
    while len(found) < most and left.max() > 0:
        cell = tuple(int(at) for at in np.unravel_index(int(left.argmax()), left.shape))
        left[_touching(fields, cell)] = 0
        patch = _patch(map_, _placed(fields.box(cell), fields.sides, extent), extent, mass)
        if any(_overlap(patch.window, other.window) for other in found):
            continue  # fields a fraction of a step apart, in a sample of longer steps
        if found and patch.share < MIN_SHARE * found[0].share:
            break
        found.append(patch)
    return found


def _patch(map_: Floats, window: Window, extent: Sequence[int], mass: float) -> Patch:
    part = np.ascontiguousarray(cut_map(map_, window, tuple(extent)))
    return Patch(window, min(1.0, float(part.clip(min=0).astype(np.float64).sum()) / mass), part)


def _placed(box: Window, sides: Sequence[int], extent: Sequence[int]) -> Window:
    """Give a box of the network's input in the nearest steps of what was brought to its size."""
    axes = len(sides)
    starts, stops = (
        [(2 * at * own + side) // (2 * side) for at, side, own in zip(part, sides, extent, strict=True)]
        for part in (box[:axes], box[axes:])
    )
    firsts = [min(start, own - 1) for start, own in zip(starts, extent, strict=True)]
    return (*firsts, *(max(stop, start + 1) for start, stop in zip(firsts, stops, strict=True)))


def _overlap(one: Window, other: Window) -> bool:
    axes = len(one) // 2
    return all(
        max(one[axis], other[axis]) < min(one[axes + axis], other[axes + axis]) for axis in range(axes)
    )


def _touching(fields: Fields, cell: Sequence[int]) -> tuple[NDArray[np.int64], ...]:
    """Name the positions whose fields overlap that of one position."""
    along = (
        np.flatnonzero((start < stop[at]) & (stop > start[at]))
        for start, stop, at in zip(fields.starts, fields.stops, cell, strict=True)
    )
    return tuple(np.ix_(*along))
