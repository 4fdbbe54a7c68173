"""Where a detail can be masked: the rectangle that holds nearly all of its windows, where it keeps to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

Box = tuple[int, ...]
#: Windows on each side of each axis that may stick out.
_OUT = 0.05
#: A rectangle larger than this many windows is no place.
_LARGEST = 2.0


@dataclass(frozen=True)
class Mask:
    """A half-open box in the samples' coordinates, starts before ends, and the part of windows in it."""

    window: Box
    share: float


def mask_of(windows: Sequence[Box]) -> Mask | None:
    """Find the rectangle that holds nearly all windows; None where none is small enough.

    Parameters
    ----------
    windows
        Boxes of one dimension, starts before ends; the 5 % that reach farthest on each side may stick out.
    """
    if len({len(one) for one in windows}) != 1:
        return None
    boxes, axes = np.array(windows, np.int64), len(windows[0]) // 2
    low = np.quantile(boxes[:, :axes], _OUT, axis=0, method="lower")
    high = np.quantile(boxes[:, axes:], 1 - _OUT, axis=0, method="higher")
    usual = np.median(np.prod(boxes[:, axes:] - boxes[:, :axes], axis=1))
    if prod((high - low).tolist()) > _LARGEST * usual:
        return None
    inside = (boxes[:, :axes] >= low).all(1) & (boxes[:, axes:] <= high).all(1)
    return Mask((*map(int, low), *map(int, high)), float(inside.mean()))
