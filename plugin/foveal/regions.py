"""Objects on a map: each peak that stands out by half its height, with what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.crops import enlarge

#: An object ends where the map has fallen to this part of the object's peak.
LEVEL = 0.5
#: Peaks below this part of the highest are no objects, nor are objects with less than `MIN_SHARE` of the
#: largest object's evidence.
MIN_PEAK, MIN_SHARE = 0.2, 0.05
#: A positive map that varies by at least this part of its peak is measured from its lowest value.
MIN_RANGE = 0.2
#: Spread of the smoothing of noisy maps, as a part of the sample's shorter side.
SMOOTHING = 0.02
#: Maps with more cells than this along the shorter side are noisy whatever they are made of.
FINE = 48

#: Peaks that are looked at, the highest: a map with more of them is noise.
_MOST_PEAKS = 64
#: A map that varies by less than this part of its size is flat: the rest is rounding.
_FLAT = 1e-5

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Region:
    """One object.

    Attributes
    ----------
    window
        Tight box y0, x0, y1, x1, half-open, in the original sample's pixels.
    score
        Share of the map's positive mass, above its floor, that lies in the object, 0 to 1.
    level
        The map's value at the object's edge.
    mask
        The object's pixels (H, W).
    """

    window: tuple[int, int, int, int]
    score: float
    level: float
    mask: Mask


def find_regions(
    map: NDArray[np.floating],  # noqa: A002 - the design's word
    sample_shape: tuple[int, ...],
    most: int = 8,
) -> list[Region]:
    """Find the objects on a map, the one with the largest share first.

    An object surrounds a peak and ends at :data:`LEVEL` of it. A lesser peak is an object of its own if the
    map falls below half of it on every way to a higher one. Heights are counted from the map's floor: zero,
    or where evidence is positive everywhere (as that of averaged scores is) its lowest value. The map is
    taken at the sample's size, its negative part cut off.

    Parameters
    ----------
    map
        Raw map (h, w) on whatever grid; it covers the whole sample.
    sample_shape
        Height and width (further axes are ignored) of the original sample.
    most
        Number of objects at most.

    Returns
    -------
    list of Region
        Empty where the map has no positive, finite mass, or is flat.
    """
    if not np.isfinite(map).all() or map.max() <= 0 or np.ptp(map) <= _FLAT * np.abs(map).max():
        return []
    floor = _floor(map)
    heat = enlarge((map - floor).clip(min=0), sample_shape[:2])
    regions: list[Region] = []
    for peak in _peaks(heat)[:_MOST_PEAKS]:
        if any(region.mask[peak] for region in regions):
            continue
        mask = _around(heat, peak)
        if heat[mask].max() <= heat[peak]:
            regions.append(_region(heat, floor + LEVEL * float(heat[peak]), mask))
    regions.sort(key=lambda region: -region.score)
    return [region for region in regions if region.score >= MIN_SHARE * regions[0].score][:most]


def smooth(
    map: NDArray[np.floating],  # noqa: A002 - the design's word
    spread: float = SMOOTHING,
) -> tuple[Floats, float]:
    """Smooth a map (h, w) that is noisy pixel by pixel, so that objects show.

    Parameters
    ----------
    spread
        Standard deviation of the Gaussian as a part of the shorter side.

    Returns
    -------
    NDArray
        The smoothed map.
    float
        The standard deviation in cells of the map.
    """
    sigma = spread * min(map.shape)
    smoothed: Floats = ndimage.gaussian_filter(map.astype(np.float64), sigma, mode="nearest")
    return smoothed, sigma


def _peaks(heat: Floats) -> list[tuple[int, int]]:
    """List local maxima, one for each plateau, highest first."""
    high = (heat == ndimage.maximum_filter(heat, 3)) & (heat >= MIN_PEAK * heat.max())
    plateaus, _ = ndimage.label(high, np.ones((3, 3)))
    places = np.argwhere(high)
    _, first = np.unique(plateaus[high], return_index=True)
    peaks = places[first]
    order = np.argsort(-heat[tuple(peaks.T)], kind="stable")
    return [(int(y), int(x)) for y, x in peaks[order]]


def _around(heat: Floats, peak: tuple[int, int]) -> Mask:
    """Mark what hangs together with a peak above half of it."""
    labels, _ = ndimage.label(heat >= LEVEL * heat[peak])
    mask: Mask = labels == labels[peak]
    return mask


def _floor(map: NDArray[np.floating]) -> float:  # noqa: A002 - the design's word
    """Give the value that heights are counted from; little variation on much evidence stays little."""
    low, high = float(map.min()), float(map.max())
    return low if low > 0 and high - low >= MIN_RANGE * high else 0.0


def _region(heat: Floats, level: float, mask: Mask) -> Region:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    window = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return Region(window, float(heat[mask].sum() / heat.sum()), level, mask)
