"""Where on a sample the evidence lies: windows of the largest summed map (US 12,062,225 B2, S5).

A window of fixed size moves over the sample; kept are the places where the sum of the positive map below it
is a local maximum. The sums of *all* places come from one small matrix per axis: one axis of "interpolate the
grid linearly to the sample's steps, then add up those of the window" is linear, so its matrix is built once
per geometry and every map costs a product per axis. Steps are pixels, voxels or points of time alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.records import Window
from foveal.rulers import Floats, Ruler, along, resampled, ruler
from foveal.samples.values import Values

#: Axes of more pixels are searched on a coarser ruler, in as many parts: a line of millions of pixels is a
#: valid image of a few kilobytes, and a weight for each would take more memory than there is. Volumes have
#: places along three axes, so fewer along each.
_LONGEST = {1: 4096, 2: 4096, 3: 160}
#: Cells along an axis that are searched; maps with more are averaged down. A trace has one axis, and many.
_MOST_CELLS = {1: 1024, 2: 4096, 3: 160}
#: Weight of the centring term: it only decides between places whose sums are all but equal.
_CENTRING = 1e-3


@dataclass(frozen=True)
class Found:
    """A window that was found.

    Attributes
    ----------
    window
        All starts, then all ends (y0, x0, y1, x1 of an image), half-open, in the original sample's steps.
    score
        Share of the map's positive mass that lies in the window, 0 to 1.
    cells
        Per axis the cells of the layer's grid that belong to the window.
    """

    window: Window
    score: float
    cells: tuple[slice, ...]


def window_size(
    setting: Literal["auto"] | int | Sequence[int], sample_shape: tuple[int, ...], axes: int = 2
) -> tuple[int, ...]:
    """Resolve the configuration's window: its side along each axis, no longer than the sample's.

    ``auto`` is even and at least 8: in images a square, a third of the shorter side; in traces a ninth of the
    length, the same share of the sample; in volumes a third of each side.

    Parameters
    ----------
    setting
        ``auto``, one side for all axes, or one per axis.
    sample_shape
        Sides of the sample; what follows the first `axes` is ignored.
    axes
        Number of axes.

    Raises
    ------
    UsageError
        If the setting has sides for another number of axes.
    """
    sides = sample_shape[:axes]
    if setting == "auto":
        wanted = _AUTO[axes](sides)
    else:
        wanted = (setting,) * axes if isinstance(setting, int) else tuple(int(side) for side in setting)
    if len(wanted) != axes:
        raise UsageError(
            f"foveal.window has {len(wanted)} sides, samples have {axes} {'axis' if axes == 1 else 'axes'}",
            "Give 'auto', one side for all axes, or one per axis",
        )
    return tuple(min(side, own) for side, own in zip(wanted, sides, strict=True))


def _even(side: float) -> int:
    return max(8, int(side // 2) * 2)


_AUTO: dict[int, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    1: lambda sides: (_even(sides[0] / 9),),
    2: lambda sides: (_even(min(sides) / 3),) * 2,
    3: lambda sides: tuple(_even(side / 3) for side in sides),
}


def find_windows(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    sample_shape: tuple[int, ...],
    window: Sequence[int],
    max_windows: int = 3,
    min_share: float = 0.15,
) -> list[Found]:
    """Find the windows that hold the most positive attribution, best first, none overlapping.

    Parameters
    ----------
    map
        Raw map on the layer's grid, covering the whole sample however it was resized; it has the sample's
        number of axes, one to three.
    sample_shape
        Sides of the original sample (its channels, which may follow, are ignored).
    window
        Sides of the window in the sample's steps.
    max_windows
        Number of windows at most.
    min_share
        A window is kept if its sum is at least this part of the best window's.

    Returns
    -------
    list of Found
        Empty where the map has no positive, finite mass.
    """
    positive = np.clip(map.astype(np.float64), 0, None)
    mass = positive.sum()
    if not (np.isfinite(mass) and mass > 0):
        return []
    longest, grid = _LONGEST[map.ndim], map.shape
    positive = _shrunk(positive, _MOST_CELLS[map.ndim])
    axes = [
        ruler(cells, side, min(own, side), longest)
        for cells, side, own in zip(positive.shape, sample_shape, window, strict=False)
    ]
    total = float(_summed(positive, [axis.whole for axis in axes]))
    sums = _spread(positive, [axis.box for axis in axes])
    surface = sums + _CENTRING * _spread(positive, [axis.tent for axis in axes])
    places = _peaks(surface, axes, max_windows)
    floor = min_share * max((sums[place] for place in places), default=0.0)
    return [_found(axes, grid, place, sums[place] / total) for place in places if sums[place] >= floor]


def inside(window: Window) -> tuple[slice, ...]:
    """Give the slices of an array (*S, ...) that lie in a window."""
    axes = len(window) // 2
    return tuple(slice(start, stop) for start, stop in zip(window[:axes], window[axes:], strict=True))


def whole(sides: Sequence[int], axes: int) -> Window:
    """Give the window that holds all of a sample; what follows its first `axes` sides is ignored."""
    return (*[0] * axes, *sides[:axes])


def extent_of(window: Window) -> tuple[int, ...]:
    """Give a window's sides."""
    axes = len(window) // 2
    return tuple(stop - start for start, stop in zip(window[:axes], window[axes:], strict=True))


def framed(part: NDArray[Any], frame: Window, sides: Sequence[int]) -> NDArray[Any]:
    """Put what lies in a window of a sample (*S) into its place, zeros around it."""
    if frame == whole(sides, part.ndim):
        return part
    full = np.zeros(sides[: part.ndim], part.dtype)
    full[inside(frame)] = part
    return full


def shifted(window: Window, frame: Window) -> Window:
    """Give a window of a part of the sample in the whole sample's coordinates."""
    corner = frame[: len(frame) // 2]
    return tuple(side + start for side, start in zip(window, (*corner, *corner), strict=True))


def cut(values: Values, window: Window) -> Values:
    """Cut a window out of a sample (*S, C)."""
    return values[inside(window)]


def cut_map(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    window: Window,
    sample_shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """Cut the cells of a map that belong to a window, raw and on the layer's own grid."""
    return map[_cells_of(window, sample_shape, map.shape)]


def enlarge(
    map: NDArray[np.floating],  # noqa: A002 - the design's word
    shape: tuple[int, ...],
) -> Floats:
    """Interpolate a map linearly along its axes to as many of `shape`, or average it down.

    Both cover the whole sample.
    """
    enlarged: Floats = map.astype(np.float64)
    for axis, size in enumerate(shape[: map.ndim]):
        enlarged = resampled(enlarged, axis, size)
    return enlarged


def _shrunk(positive: Floats, most: int) -> Floats:
    """Average a map down where it has too many cells along an axis."""
    for axis, cells in enumerate(positive.shape):
        if cells > most:
            positive = resampled(positive, axis, most)
    return positive


def _spread(values: Floats, weights: Sequence[Floats]) -> Floats:
    """Multiply every axis with its matrix."""
    for axis, one in enumerate(weights):
        values = along(values, axis, one)
    return values


def _summed(values: Floats, weights: Sequence[Floats]) -> Floats:
    """Add up all values, weighted along every axis."""
    for one in weights:
        values = (one @ values.reshape(len(values), -1)).reshape(values.shape[1:])
    return values


def _peaks(surface: Floats, axes: Sequence[Ruler], most: int) -> list[tuple[int, ...]]:
    """List local maxima, largest first, whose windows do not overlap."""
    places = np.nonzero(_is_local_maximum(surface))
    order = np.argsort(-surface[places], kind="stable")
    places = tuple(along[order] for along in places)
    starts = [axis.starts[along] for axis, along in zip(axes, places, strict=True)]
    kept: list[tuple[int, ...]] = []
    free = np.ones(len(order), dtype=bool)
    while len(kept) < most and free.any():
        first = int(np.argmax(free))
        kept.append(tuple(int(along[first]) for along in places))
        far = [abs(along - along[first]) >= axis.side for axis, along in zip(axes, starts, strict=True)]
        free &= np.logical_or.reduce(far)
    return kept


def _is_local_maximum(surface: Floats) -> NDArray[np.bool_]:
    """Tell places that no neighbour, diagonal ones included, exceeds."""
    # By hand, because numpy's own padding takes longer than everything else here.
    around = np.full([side + 2 for side in surface.shape], -np.inf)
    around[(slice(1, -1),) * surface.ndim] = surface
    for axis in range(surface.ndim):
        along = np.moveaxis(around, axis, 0)
        around = np.moveaxis(np.maximum(np.maximum(along[:-2], along[1:-1]), along[2:]), 0, axis)
    return surface >= around


def _found(axes: Sequence[Ruler], grid: Sequence[int], place: Sequence[int], score: float) -> Found:
    starts = [int(axis.starts[at]) for axis, at in zip(axes, place, strict=True)]
    window = (*starts, *(start + axis.side for start, axis in zip(starts, axes, strict=True)))
    cells = _cells_of(window, [axis.pixels for axis in axes], grid)
    return Found(window, min(1.0, float(score)), cells)


def _cells_of(window: Window, sample_shape: Sequence[int], grid: Sequence[int]) -> tuple[slice, ...]:
    """Name per axis the cells of a grid that belong to a window."""
    return tuple(
        _cells(part.start, part.stop, pixels, cells)
        for part, pixels, cells in zip(inside(window), sample_shape, grid, strict=False)
    )


def _cells(start: int, stop: int, pixels: int, cells: int) -> slice:
    """Name the cells whose centre lies in [start, stop); at least the one below the middle."""
    first = int(np.ceil(start * cells / pixels - 0.5))
    last = int(np.ceil(stop * cells / pixels - 0.5))
    middle = min(cells - 1, int((start + stop) / 2 * cells / pixels))
    return slice(first, last) if last > first else slice(middle, middle + 1)
