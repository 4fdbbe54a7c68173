"""Objects on a map: each connected part above half of its own peak, told apart and boxed tightly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.crops import enlarge, find_windows, window_size

#: An object ends where the map has fallen to this part of the object's peak.
LEVEL = 0.5


@dataclass(frozen=True, eq=False)
class Region:
    """One object.

    Attributes
    ----------
    window
        Tight box y0, x0, y1, x1, half-open, in the original sample's pixels.
    score
        Share of the map's positive mass that lies in the object, 0 to 1.
    level
        The map's value at the object's edge.
    mask
        The object's pixels (H, W).
    """

    window: tuple[int, int, int, int]
    score: float
    level: float
    mask: NDArray[np.bool_]


def find_regions(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    sample_shape: tuple[int, ...],
    most: int = 3,
) -> list[Region]:
    """Find the objects on a map, the one with the largest share first.

    An object surrounds the peak of each window that :func:`foveal.crops.find_windows` finds; two windows on
    the same object give one. The map is taken at the sample's size, its negative part cut off.

    Parameters
    ----------
    map
        Raw map (h, w) on the layer's grid.
    sample_shape
        Height and width (further axes are ignored) of the original sample.
    most
        Number of objects at most.
    """
    windows = find_windows(map, sample_shape, window_size("auto", sample_shape), most)
    if not windows:
        return []
    heat = enlarge(map.clip(min=0), sample_shape[:2])
    regions: list[Region] = []
    for found in windows:
        peak = _peak(heat, found.window)
        if not any(region.mask[peak] for region in regions):
            regions.append(_region(heat, peak))
    return sorted(regions, key=lambda region: -region.score)


def _peak(heat: NDArray[np.float64], window: tuple[int, int, int, int]) -> tuple[int, int]:
    y0, x0, y1, x1 = window
    inside = heat[y0:y1, x0:x1]
    y, x = divmod(int(inside.argmax()), inside.shape[1])
    return y0 + y, x0 + x


def _region(heat: NDArray[np.float64], peak: tuple[int, int]) -> Region:
    level = LEVEL * float(heat[peak])
    labels, _ = ndimage.label(heat >= level)
    mask = labels == labels[peak]
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    window = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return Region(window, float(heat[mask].sum() / heat.sum()), level, mask)
