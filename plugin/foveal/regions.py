"""Objects on a map: each peak that stands out by half its height, with what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.crops import enlarge
from foveal.records import Window

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

#: Steps of a volume that are searched at most: each takes some forty bytes.
MOST_STEPS = 2**22

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
        Tight box, all starts before all ends (y0, x0, y1, x1), half-open, in the original sample's steps.
    score
        Share of the map's positive mass, above its floor, that lies in the object, 0 to 1.
    level
        The map's value at the object's edge.
    mask
        The object's steps (*S); in volumes of more than :data:`MOST_STEPS` those of a coarser grid.
    """

    window: Window
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
        Raw map on whatever grid, with the sample's number of axes; it covers the whole sample.
    sample_shape
        Sides of the original sample (its channels, which may follow, are ignored).
    most
        Number of objects at most.

    Returns
    -------
    list of Region
        Empty where the map has no positive, finite mass, or is flat.
    """
    if not np.isfinite(map).all() or map.max() <= 0 or np.ptp(map) <= _FLAT * np.abs(map).max():
        return []
    floor, sides = _floor(map), tuple(sample_shape[: map.ndim])
    heat = enlarge((map - floor).clip(min=0), coarse_sides(sides))
    regions: list[Region] = []
    for peak in _peaks(heat)[:_MOST_PEAKS]:
        if any(region.mask[peak] for region in regions):
            continue
        mask = _around(heat, peak)
        if heat[mask].max() <= heat[peak]:
            regions.append(_region(heat, floor + LEVEL * float(heat[peak]), mask))
    regions.sort(key=lambda region: -region.score)
    found = [region for region in regions if region.score >= MIN_SHARE * regions[0].score][:most]
    return found if heat.shape == sides else [_on_sample(region, sides) for region in found]


def coarse_sides(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Give the sides at which a sample is searched: its own, fewer of large volumes, so that memory lasts."""
    factor = (np.prod(sides, dtype=float) / MOST_STEPS) ** (1 / len(sides))
    return sides if len(sides) < 3 or factor <= 1 else tuple(max(1, round(side / factor)) for side in sides)


def _on_sample(region: Region, sides: tuple[int, ...]) -> Region:
    """Give an object that was found on a coarser grid its window on the sample."""
    starts, ends = region.window[: len(sides)], region.window[len(sides) :]
    scales = [side / cells for side, cells in zip(sides, region.mask.shape, strict=True)]
    window = (
        *(int(start * scale) for start, scale in zip(starts, scales, strict=True)),
        *(min(side, int(np.ceil(end * scale))) for end, scale, side in zip(ends, scales, sides, strict=True)),
    )
    return Region(window, region.score, region.level, region.mask)


def smooth(
    map: NDArray[np.floating],  # noqa: A002 - the design's word
    spread: float = SMOOTHING,
) -> tuple[Floats, float]:
    """Smooth a map (*S) that is noisy pixel by pixel, so that objects show.

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


def _peaks(heat: Floats) -> list[tuple[int, ...]]:
    """List local maxima, one for each plateau, highest first."""
    high = (heat == ndimage.maximum_filter(heat, 3)) & (heat >= MIN_PEAK * heat.max())
    plateaus, _ = ndimage.label(high, np.ones((3,) * heat.ndim))
    places = np.argwhere(high)
    _, first = np.unique(plateaus[high], return_index=True)
    peaks = places[first]
    order = np.argsort(-heat[tuple(peaks.T)], kind="stable")
    return [tuple(int(at) for at in peak) for peak in peaks[order]]


def _around(heat: Floats, peak: tuple[int, ...]) -> Mask:
    """Mark what hangs together with a peak above half of it."""
    labels, _ = ndimage.label(heat >= LEVEL * heat[peak])
    mask: Mask = labels == labels[peak]
    return mask


def _floor(map: NDArray[np.floating]) -> float:  # noqa: A002 - the design's word
    """Give the value that heights are counted from; little variation on much evidence stays little."""
    low, high = float(map.min()), float(map.max())
    return low if low > 0 and high - low >= MIN_RANGE * high else 0.0


def _region(heat: Floats, level: float, mask: Mask) -> Region:
    places = [np.nonzero(mask.any(axis=_others(mask.ndim, axis)))[0] for axis in range(mask.ndim)]
    window = (*(int(along[0]) for along in places), *(int(along[-1]) + 1 for along in places))
    return Region(window, float(heat[mask].sum() / heat.sum()), level, mask)


def _others(axes: int, own: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(axes) if axis != own)
