"""Text burnt into pictures: found by the looks of its strokes, and blotted out.

Characters stand out from what is around them, have edges as steep as pixels allow, and stand in lines. No
text is read: what looks like a line of characters is covered, and marks of rulers or symbols beside text may
be too. How much is found is measured in docs/medical.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, max_pool2d

from foveal.samples.medical.components import Components, around, find_components, joined
from foveal.samples.values import Values

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Sides of the surroundings in which a stroke must stand out, in pixels: for small and for large characters.
_SURROUNDINGS = (7, 15, 31)
#: By how much, of the picture's range.
_CONTRAST = 0.08
#: Height of characters, in pixels.
_LOWEST, _TALLEST = 4, 64
#: Weights of a part's looks in the odds that it is a character: a logistic regression, fitted on text drawn
#: into CT, MR and X-ray pictures against everything else in them.
_STEEP, _STANDS_OUT, _TALL, _BIAS = 9.7, 3.0, 0.8, 4.7
#: Log odds of a part that is looked at, and of a line that counts; those of one part count up to the most.
_PART, _LINE, _MOST = -1.5, 4.2, 4.0
#: How steep an edge beside a line must be to belong to it, of the line's own; how wide a space may be, of its
#: height.
_LIKE, _SPACE = 0.55, 1.3


@dataclass(frozen=True, eq=False)
class _Lines:
    """Boxes of what was found, int64 (n, 4): y0, x0, y1, x1, and the log odds of each."""

    boxes: Ints
    odds: NDArray[np.float64]

    def take(self, chosen: Mask) -> _Lines:
        return _Lines(self.boxes[chosen], self.odds[chosen])

    @property
    def height(self) -> Ints:
        return self.boxes[:, 2] - self.boxes[:, 0]


def text_mask(values: NDArray[np.generic]) -> Mask:
    """Mark what looks like burnt-in text in a picture (H, W, C): a mask (H, W) of whole lines."""
    mask = np.zeros(values.shape[:2], bool)
    grey = _brightness(values)
    if grey is None:
        return mask
    edges = _edges(grey)
    for size in _SURROUNDINGS:
        for side in (grey, 1 - grey):
            for box in _lines(side, edges, size):
                y0, x0, y1, x1 = _lengthened(box, edges)
                pad = 1 + (y1 - y0) // 5
                mask[max(0, y0 - pad) : y1 + pad, max(0, x0 - pad) : x1 + pad] = True
    return mask


def without_text(values: Values) -> Values:
    """Give a sample with burnt-in text filled in from what surrounds it; traces are given back as they are.

    Parameters
    ----------
    values
        A picture (H, W, C) or a volume (z, y, x, C), whose slices are looked at one by one.

    Returns
    -------
    Values
        A copy, of the same type; the same array where nothing was found.
    """
    if values.ndim == 4:
        slices = [without_text(one) for one in values]
        same = all(new.base is values for new in slices)
        return values if same else np.stack(slices)
    mask = text_mask(values) if values.ndim == 3 else np.zeros(0, bool)
    return _filled(values, mask) if mask.any() else values


def _filled(values: Values, mask: Mask) -> Values:
    """Fill marked pixels with the mean of the others around, looked for ever farther away."""
    filled, missing = values.copy(), mask.copy()
    known = torch.from_numpy((~mask).astype(np.float32))[None, None]
    planes = torch.from_numpy(np.moveaxis(values.astype(np.float32), -1, 0).copy())[:, None] * known
    side = 9
    while missing.any() and side < 4 * max(mask.shape):
        share, mean = _around(known, side)[0, 0], _around(planes, side)[:, 0]
        here = missing & (share > 1e-6).numpy()
        found = (mean[:, torch.from_numpy(here)] / share[torch.from_numpy(here)]).T.numpy()
        filled[here] = np.rint(found) if values.dtype.kind in "iu" else found
        missing &= ~here
        side = 2 * side + 1
    filled[missing] = 0
    return filled


def _around(planes: torch.Tensor, side: int) -> torch.Tensor:
    """Average the square around each pixel, one axis after the other; what is outside counts as 0."""
    across = avg_pool2d(planes, (1, side), 1, (0, side // 2))
    return avg_pool2d(across, (side, 1), 1, (side // 2, 0))


def _brightness(values: NDArray[np.generic]) -> Floats | None:
    """Give brightness in 0 to 1; None where there is but one."""
    grey = values.astype(np.float32)
    grey = grey.max(axis=-1) if values.shape[-1] in (3, 4) else grey.mean(axis=-1)
    low, high = np.percentile(grey[::2, ::2], [0.5, 99.9])
    return np.clip((grey - low) / (high - low), 0, 1) if high > low else None


def _lines(grey: Floats, edges: Floats, size: int) -> Ints:
    """Find lines of bright characters: their boxes (n, 4)."""
    strokes, contrast = _strokes(grey, size)
    likely = _characters(find_components(strokes), np.where(_rim(strokes), edges, np.nan), contrast)
    first, second = np.nonzero(np.triu(_beside(likely, likely), 1))
    line = joined(len(likely.odds), np.stack([first, second], axis=1))
    total = np.bincount(line, np.minimum(likely.odds, _MOST), len(line))
    kept = (total >= _LINE)[line]
    names, owner = np.unique(line[kept], return_inverse=True)
    return around(likely.boxes[kept], owner, len(names))


def _lengthened(box: Ints, edges: Floats) -> tuple[int, int, int, int]:
    """Lengthen a line to both sides, over spaces, as long as edges as steep as its own go on in its band.

    Characters that run into what lies below them are no parts of their own.
    """
    y0, x0, y1, x1 = (int(side) for side in box)
    steep = edges[y0:y1].max(axis=0) > _LIKE * np.quantile(edges[y0:y1, x0:x1].max(axis=0), 0.8)
    reach = round(_SPACE * (y1 - y0))
    columns = np.nonzero(steep)[0]
    left, right = columns[columns < x0][::-1], columns[columns >= x1]
    for column in left:
        if x0 - column > reach:
            break
        x0 = int(column)
    for column in right:
        if column - x1 >= reach:
            break
        x1 = int(column) + 1
    return y0, x0, y1, x1


def _beside(parts: _Lines, others: _Lines) -> Mask:
    """Tell which parts stand in a line with which others, (n, m): beside each other and of one height."""
    a, b = parts.boxes[:, None], others.boxes[None]
    tall, other = parts.height[:, None], others.height[None]
    overlap = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    gap = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 3], b[..., 3])
    near = (gap < 1.3 * np.maximum(tall, other)) & (overlap > 0.6 * np.minimum(tall, other))
    return np.asarray(near & (tall < 1.8 * other) & (other < 1.8 * tall))


def _strokes(grey: Floats, size: int) -> tuple[Mask, Floats]:
    """Mark what is brighter than the middle of the extremes around; gives the extremes' difference too."""
    high, low = _largest(grey, size), -_largest(-grey, size)
    contrast = high - low
    return (grey > (high + low) / 2) & (contrast > _CONTRAST), contrast


def _largest(grey: Floats, size: int) -> Floats:
    """Give the largest value in the square around each pixel, one axis after the other."""
    tensor = torch.from_numpy(grey)[None, None]
    across = max_pool2d(tensor, (1, size), 1, (0, size // 2))
    largest: Floats = max_pool2d(across, (size, 1), 1, (size // 2, 0))[0, 0].numpy()
    return largest


def _characters(parts: Components, edges: Floats, contrast: Floats) -> _Lines:
    """Weigh the parts that have a character's or word's size."""
    y0, x0, y1, x1 = parts.boxes.T
    height, width = y1 - y0, x1 - x0
    stands_out = np.maximum(parts.mean(contrast), 1e-6)
    steep = np.log(parts.mean(edges) / stands_out + 1e-3)
    odds = _STEEP * steep + _STANDS_OUT * stands_out + _TALL * np.log(np.maximum(height, 1)) + _BIAS
    size = (height >= _LOWEST) & (height <= _TALLEST) & (width <= 12 * height) & (width > 1)
    return _Lines(parts.boxes, odds).take(size & (odds > _PART))


def _rim(strokes: Mask) -> Mask:
    """Mark the pixels of a mask that touch what is outside."""
    padded = np.pad(strokes, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return strokes & ~inside


def _edges(grey: Floats) -> Floats:
    """Give the largest step from each pixel to one beside it."""
    steps = np.zeros_like(grey)
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    for part, step in (
        (steps[:, 1:], across),
        (steps[:, :-1], across),
        (steps[1:], down),
        (steps[:-1], down),
    ):
        np.maximum(part, step, out=part)
    return steps
