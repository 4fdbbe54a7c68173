"""Where on a sample the evidence lies: windows of the largest summed map (US 12,062,225 B2, S5).

A window of fixed size moves over the sample; kept are the places where the sum of the positive map below it
is a local maximum. The sums of *all* places come from two small matrices: one axis of "interpolate the grid
bilinearly to pixels, then add up the pixels of the window" is linear, so its matrix is built once per
geometry and every map costs two products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.images import Pixels

Floats = NDArray[np.float64]

#: Places per window side at least: on large samples the window moves by more than a pixel.
_PLACES_PER_SIDE = 16
#: Axes of more pixels are searched on a coarser ruler, in as many parts: a line of millions of pixels is a
#: valid image of a few kilobytes, and a weight for each would take more memory than there is.
_LONGEST = 4096
#: Numbers in a matrix that is kept for the next sample of the same size; those of squares are far smaller.
_LARGEST_KEPT = 2**15
#: Weight of the centring term: it only decides between places whose sums are all but equal.
_CENTRING = 1e-3


@dataclass(frozen=True)
class Found:
    """A window that was found.

    Attributes
    ----------
    window
        y0, x0, y1, x1, half-open, in the original sample's pixels.
    score
        Share of the map's positive mass that lies in the window, 0 to 1.
    cells
        Rows and columns of the layer's grid that belong to the window.
    """

    window: tuple[int, int, int, int]
    score: float
    cells: tuple[slice, slice]


def window_size(
    setting: Literal["auto"] | int | tuple[int, int] | list[int], sample_shape: tuple[int, ...]
) -> tuple[int, int]:
    """Resolve the configuration's window: (height, width) in pixels, no larger than the sample.

    ``auto`` is a third of the sample's shorter side, even, at least 8.
    """
    height, width = sample_shape[:2]
    if setting == "auto":
        side = max(8, min(height, width) // 6 * 2)
        wanted = (side, side)
    else:
        wanted = (setting, setting) if isinstance(setting, int) else (int(setting[0]), int(setting[1]))
    return min(wanted[0], height), min(wanted[1], width)


def find_windows(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    sample_shape: tuple[int, ...],
    window: tuple[int, int],
    max_windows: int = 3,
    min_share: float = 0.15,
) -> list[Found]:
    """Find the windows that hold the most positive attribution, best first, none overlapping.

    Parameters
    ----------
    map
        Raw map (h, w) on the layer's grid, covering the whole sample however it was resized.
    sample_shape
        Height and width (further axes are ignored) of the original sample.
    window
        Height and width of the window in the sample's pixels.
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
    rows = _axis(positive.shape[0], sample_shape[0], min(window[0], sample_shape[0]))
    columns = _axis(positive.shape[1], sample_shape[1], min(window[1], sample_shape[1]))
    total = float(rows.whole @ positive @ columns.whole)
    sums = rows.box @ positive @ columns.box.T
    surface = sums + _CENTRING * (rows.tent @ positive @ columns.tent.T)
    places = _peaks(surface, rows, columns, max_windows)
    floor = min_share * max((sums[place] for place in places), default=0.0)
    return [_found(rows, columns, place, sums[place] / total) for place in places if sums[place] >= floor]


def shifted(window: tuple[int, int, int, int], frame: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Give a window of a part of the sample in the whole sample's coordinates."""
    y0, x0, y1, x1 = window
    top, left, _, _ = frame
    return y0 + top, x0 + left, y1 + top, x1 + left


def cut(pixels: Pixels, window: Window) -> Pixels:
    """Cut a window out of a sample (H, W, C)."""
    y0, x0, y1, x1 = window
    return pixels[y0:y1, x0:x1]


def cut_map(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    window: Window,
    sample_shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """Cut the cells of a map that belong to a window, raw and on the layer's own grid."""
    y0, x0, y1, x1 = window
    rows = _cells(y0, y1, sample_shape[0], map.shape[0])
    return map[rows, _cells(x0, x1, sample_shape[1], map.shape[1])]


def enlarge(
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    shape: tuple[int, ...],
) -> Floats:
    """Interpolate a map (h, w) bilinearly to (H, W), or average it down; both cover the whole sample."""
    rows, columns = _interpolation(map.shape[0], shape[0]), _interpolation(map.shape[1], shape[1])
    enlarged: Floats = rows @ map.astype(np.float64) @ columns.T
    return enlarged


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of the search: what every place of the window sees of the grid.

    `box` (places, cells) adds up the interpolated pixels below the window, `tent` does so with weights that
    fall off from its middle, `whole` (cells,) adds up the whole axis. `starts` are the places in pixels.
    """

    cells: int
    pixels: int
    side: int
    starts: NDArray[np.intp]
    box: Floats
    tent: Floats
    whole: Floats


def _axis(cells: int, pixels: int, side: int) -> _Axis:
    """Make an axis, or take it from those that are kept."""
    parts = min(pixels, _LONGEST)
    places = parts / _step(side * parts // pixels)
    make = _kept_axis if places * cells <= _LARGEST_KEPT else _made_axis
    return make(cells, pixels, side)


def _made_axis(cells: int, pixels: int, side: int) -> _Axis:
    """Make an axis, on the coarser ruler where it is long."""
    if pixels <= _LONGEST:
        return _fine_axis(cells, pixels, side)
    coarse = _fine_axis(cells, _LONGEST, max(1, round(side * _LONGEST / pixels)))
    part = pixels / _LONGEST
    middles = (coarse.starts + coarse.side / 2) * part
    starts = np.clip(np.rint(middles - side / 2).astype(np.intp), 0, pixels - side)
    inside = side / (coarse.side * part)  # share of the window in the parts that were added up for it
    return _Axis(cells, pixels, side, starts, coarse.box * inside, coarse.tent * inside, coarse.whole)


_kept_axis = lru_cache(maxsize=64)(_made_axis)


def _step(side: int) -> int:
    """Say by how many pixels a window moves."""
    return max(1, side // _PLACES_PER_SIDE)


def _fine_axis(cells: int, pixels: int, side: int) -> _Axis:
    """Make an axis from the weights of every pixel."""
    weights = _interpolation(cells, pixels)
    starts = np.unique(np.append(np.arange(0, pixels - side + 1, _step(side)), pixels - side))
    sums = _running(weights)
    moments = _running(weights * np.arange(pixels)[:, None])
    box = sums[starts + side] - sums[starts]
    return _Axis(cells, pixels, side, starts, box, _tent(sums, moments, starts, side), sums[-1])


def _interpolation(cells: int, pixels: int) -> Floats:
    """Weights (pixels, cells) of interpolation between cell centres, constant beyond the outermost.

    Fewer pixels than cells average the cells below them: a point between two centres sees no other cell, and
    a map whose mass lies in one that no pixel sees would have none.
    """
    if pixels < cells:
        return _shares(cells, pixels)
    centres = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    lower = np.minimum(centres.astype(np.intp), max(cells - 2, 0))
    weights = np.zeros((pixels, cells))
    weights[np.arange(pixels), lower] = 1 - (centres - lower)
    weights[np.arange(pixels), np.minimum(lower + 1, cells - 1)] += centres - lower
    return weights


def _shares(cells: int, pixels: int) -> Floats:
    """Weights (pixels, cells) of the cells below each pixel, by the part of it that each covers."""
    edges, starts = np.arange(pixels + 1)[:, None] * cells / pixels, np.arange(cells)
    covered = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    shares: Floats = covered.clip(min=0) * pixels / cells
    return shares


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _tent(sums: Floats, moments: Floats, starts: NDArray[np.intp], side: int) -> Floats:
    """Add up pixels p of each window with weight 1 - |p - middle| / (side / 2), from running sums."""
    middle = starts + (side - 1) / 2
    half = starts + (side + 1) // 2
    left = middle[:, None] * (sums[half] - sums[starts]) - (moments[half] - moments[starts])
    right = (moments[starts + side] - moments[half]) - middle[:, None] * (sums[starts + side] - sums[half])
    distance: Floats = left + right
    return sums[starts + side] - sums[starts] - distance / (side / 2)


def _peaks(surface: Floats, rows: _Axis, columns: _Axis, most: int) -> list[tuple[int, int]]:
    """List local maxima, largest first, whose windows do not overlap."""
    y, x = np.nonzero(_is_local_maximum(surface))
    order = np.argsort(-surface[y, x], kind="stable")
    y, x = y[order], x[order]
    kept: list[tuple[int, int]] = []
    free = np.ones(len(y), dtype=bool)
    while len(kept) < most and free.any():
        first = int(np.argmax(free))
        kept.append((int(y[first]), int(x[first])))
        far_y = np.abs(rows.starts[y] - rows.starts[y[first]]) >= rows.side
        far_x = np.abs(columns.starts[x] - columns.starts[x[first]]) >= columns.side
        free &= far_y | far_x
    return kept


def _is_local_maximum(surface: Floats) -> NDArray[np.bool_]:
    """Tell places that no neighbour, diagonal ones included, exceeds."""
    # By hand, because numpy's own padding takes longer than everything else here.
    padded = np.full((surface.shape[0] + 2, surface.shape[1] + 2), -np.inf)
    padded[1:-1, 1:-1] = surface
    beside = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    around = np.maximum(np.maximum(beside[:, :-2], beside[:, 1:-1]), beside[:, 2:])
    return surface >= around


def _found(rows: _Axis, columns: _Axis, place: tuple[int, int], score: float) -> Found:
    y0, x0 = int(rows.starts[place[0]]), int(columns.starts[place[1]])
    y1, x1 = y0 + rows.side, x0 + columns.side
    cells = (_cells(y0, y1, rows.pixels, rows.cells), _cells(x0, x1, columns.pixels, columns.cells))
    return Found((y0, x0, y1, x1), min(1.0, float(score)), cells)


def _cells(start: int, stop: int, pixels: int, cells: int) -> slice:
    """Name the cells whose centre lies in [start, stop); at least the one below the middle."""
    first = int(np.ceil(start * cells / pixels - 0.5))
    last = int(np.ceil(stop * cells / pixels - 0.5))
    middle = min(cells - 1, int((start + stop) / 2 * cells / pixels))
    return slice(first, last) if last > first else slice(middle, middle + 1)
