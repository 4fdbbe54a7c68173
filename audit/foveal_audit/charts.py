"""Small pictures of crops that are no pictures: traces as strip charts, volumes as three slices.

All crops are drawn on one scale, 0 to 1, so that what differs between two of them is theirs. For whole
samples with axes and names see :mod:`foveal.samples.depicting`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Drawings = NDArray[np.uint8]  #: (n, h, w, 3)

WIDTH = 128
#: Lanes at most; of more channels the first are drawn.
MOST_LANES = 12
#: Height in pixels of a single lane, of several together, and of one at least.
_ALONE, _TOGETHER, _LEAST = 64, 128, 10
_MARGIN = 3  # pixels above and below a trace
_FINE = 4  # points of the line for each column
_HALF = 0.8  # half of the line's thickness in pixels
_BESIDE = 0.75  # of a column's ink that its neighbours take: a steep flank is no thinner than a level line
_INK, _PAPER, _RULE = 28.0, 255.0, 222.0
#: Pixels between slices, and their grey: it holds the slices of a volume together.
GAP, _BETWEEN = 2, 160


def lane_height(channels: int) -> int:
    """Give the height of each lane of a strip chart in pixels."""
    lanes = min(channels, MOST_LANES)
    return _ALONE if lanes == 1 else max(_LEAST, _TOGETHER // lanes // 2 * 2)


def strips(shares: Floats, width: int = WIDTH) -> Drawings:
    """Draw traces (n, C, T) in 0 to 1 as strip charts, a lane for each channel, the first on top."""
    shown = shares[:, :MOST_LANES]
    ink = _ink(shown, lane_height(shares.shape[1]), width)
    ground = np.full(ink.shape[1:], _PAPER, np.float32)
    ground[lane_height(shares.shape[1]) - 1 :: lane_height(shares.shape[1])] = _RULE
    grey = ground * (1 - ink) + _INK * ink
    return np.rint(grey[..., None].repeat(3, axis=3)).astype(np.uint8)


def _ink(shares: Floats, lane: int, width: int) -> Floats:
    """Give how much of each pixel a line of even thickness covers, (n, C lane, width)."""
    n, channels, _ = shares.shape
    points = shares if shares.shape[2] > width * _FINE else _refined(shares, width)
    low, high = _reached(points, width)
    top, bottom = (_MARGIN + (1 - share) * (lane - 2 * _MARGIN - 1) for share in (high, low))
    rows = np.arange(lane, dtype=np.float32)[:, None]
    covered = np.minimum(bottom[:, :, None] + _HALF, rows + 0.5)
    covered -= np.maximum(top[:, :, None] - _HALF, rows - 0.5)
    ink = covered.clip(0, 1).reshape(n, channels * lane, width)
    wide = ink.copy()
    np.maximum(wide[..., 1:], _BESIDE * ink[..., :-1], out=wide[..., 1:])
    np.maximum(wide[..., :-1], _BESIDE * ink[..., 1:], out=wide[..., :-1])
    return np.asarray(wide, np.float32)


def _refined(shares: Floats, width: int) -> Floats:
    """Put points between those of short traces, at equal distances; every one of them stays."""
    steps = shares.shape[2]
    between = max(1, -(-width * _FINE // max(steps - 1, 1)))
    at = np.arange((steps - 1) * between + 1)
    part = (at % between / between).astype(np.float32)
    after = shares[..., np.minimum(at // between + 1, steps - 1)]
    return np.asarray(shares[..., at // between] * (1 - part) + after * part, np.float32)


def _reached(points: Floats, width: int) -> tuple[Floats, Floats]:
    """Give the lowest and the highest point of the line in each column, (n, C, width) each."""
    starts = np.arange(width) * (points.shape[2] - 1) // width
    ends = points[..., np.append(starts[1:], points.shape[2] - 1)]  # the next column's: flanks have no gaps
    low, high = (reduce.reduceat(points, starts, axis=2) for reduce in (np.minimum, np.maximum))
    return np.minimum(low, ends), np.maximum(high, ends)


def slices(shares: Floats) -> Drawings:
    """Draw volumes (n, C, d, h, w) in 0 to 1 by their middle slices: across d, beside it w, below it h.

    So every row and column of pixels goes on in the slice beside and below. Three channels are taken as red,
    green, blue; of any other number the mean is shown in grey.
    """
    colours = shares if shares.shape[1] == 3 else shares.mean(1, keepdims=True).repeat(3, axis=1)
    eight = (colours.clip(0, 1) * 255).round().astype(np.uint8)
    _, _, deep, high, wide = shares.shape
    sheet = np.full((len(shares), 3, high + GAP + deep, wide + GAP + deep), _BETWEEN, np.uint8)
    sheet[:, :, :high, :wide] = eight[:, :, deep // 2]
    sheet[:, :, :high, wide + GAP :] = eight[..., wide // 2].swapaxes(2, 3)
    sheet[:, :, high + GAP :, :wide] = eight[:, :, :, high // 2]
    return np.ascontiguousarray(sheet.transpose(0, 2, 3, 1))
