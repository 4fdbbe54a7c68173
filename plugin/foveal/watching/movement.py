"""How far attention has moved between two looks, and how much of it lies where it should."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
Floats = NDArray[np.float64]

#: The attended area of a map: where it is at least this part of its peak.
LEVEL = 0.5


@dataclass(frozen=True, eq=False)
class Look:
    """What a network looked at in every sample, once.

    Attributes
    ----------
    epoch
        When.
    maps
        Raw signed maps (B, *grid), float32.
    predicted
        Predicted classes (B,).
    layer
        Where the maps lie.
    measures
        Numbers per sample (B,) by name; NaN where a sample has none.
    seconds
        What the look took.
    """

    epoch: int
    maps: Maps
    predicted: NDArray[np.int64]
    layer: str
    measures: dict[str, Floats] = field(default_factory=dict)
    seconds: float = 0.0


def moved_cosine(before: Maps, after: Maps) -> Floats:
    """Give one minus the cosine of raw signed maps (B, *grid): 0 unmoved, 1 unrelated, 2 opposite; (B,).

    Two empty maps are alike; an empty one is unrelated to any other.
    """
    one, other = _rows(before), _rows(after)
    sizes = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    both_empty = ~one.any(axis=1) & ~other.any(axis=1)
    cosine = (one * other).sum(axis=1) / np.where(sizes > 0, sizes, 1)
    distance: Floats = np.where(both_empty, 0, 1 - cosine).clip(0, 2)
    return distance


def moved_area(before: Maps, after: Maps) -> Floats:
    """Give one minus the overlap (intersection over union) of the attended areas: 0 unmoved to 1; (B,)."""
    one, other = _attended(before), _attended(after)
    union = (one | other).sum(axis=1)
    overlap = np.divide((one & other).sum(axis=1), union, out=np.ones(len(one)), where=union > 0)
    distance: Floats = 1 - overlap
    return distance


def inside(maps: Maps, masks: NDArray[np.floating]) -> Floats:
    """Give the share of positive evidence inside masks (B, *grid) of values in [0, 1]: (B,).

    NaN where a map has no positive evidence.
    """
    positive = _rows(maps).clip(min=0)
    mass = positive.sum(axis=1)
    held: Floats = (positive * _rows(masks)).sum(axis=1)
    shares: Floats = np.divide(held, mass, out=np.full(len(maps), np.nan), where=mass > 0)
    return shares


def _rows(values: NDArray[np.floating]) -> Floats:
    return values.reshape(len(values), -1).astype(np.float64)


def _attended(maps: Maps) -> NDArray[np.bool_]:
    rows = _rows(maps)
    peaks = rows.max(axis=1, keepdims=True)
    attended: NDArray[np.bool_] = (rows >= LEVEL * peaks) & (peaks > 0)
    return attended
