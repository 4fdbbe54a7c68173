"""Shift-align the crops of a feature to what they have in common.

Windows land on a feature with a jitter of a few pixels. A linear or small generator spends its latent axes
on that jitter unless it is taken out first; measured, this decides quality more than the kind of generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .crops import Crops, as_crops

Shifts = NDArray[np.int64]  #: (n, 2): what was moved up and left, in pixels (y, x)
_BATCH = 256  # crops correlated at once, bounds the memory
_FLAT = 1e-6  # variance under the taper below which a patch counts as blank


def default_shift(shape: tuple[int, ...]) -> int:
    """Give the largest shift searched for crops of a shape (..., h, w): a fifth of the shorter side."""
    return max(1, min(shape[-2:]) // 5)


def register_crops(
    crops: Crops, max_shift: int | None = None, rounds: int = 8
) -> tuple[Crops, Shifts, NDArray[np.float32]]:
    """Align crops to their own mean, which sharpens with every round.

    Parameters
    ----------
    crops
        (n, C, h, w) in [0, 1].
    max_shift
        Largest shift in pixels along each axis; default a fifth of the shorter side.
    rounds
        Rounds at most; ends sooner when no shift changes.

    Returns
    -------
    aligned
        (n, C, h, w); pixels that come into view from outside are mirrored from inside.
    shifts
        (n, 2) y, x: ``aligned[i][y, x]`` is ``crops[i][y + shift_y, x + shift_x]``. Their median is near 0,
        because a template is free to wander off as a whole.
    template
        (C, h, w) mean of the aligned crops.
    """
    stack = as_crops(crops)
    reach = _reach(stack, max_shift)
    shifts = np.zeros((len(stack), 2), np.int64)
    aligned = stack
    for _ in range(rounds if reach and len(stack) else 0):
        found = _centred(best_shifts(stack, aligned.mean(0), reach), reach)
        if np.array_equal(found, shifts):
            break
        shifts, aligned = found, shift_crops(stack, found)
    return aligned, shifts, aligned.mean(0) if len(aligned) else np.zeros(stack.shape[1:], np.float32)


def align_to(
    crops: Crops, template: NDArray[np.float32], max_shift: int | None = None
) -> tuple[Crops, Shifts]:
    """Align crops to a template made without them, as held-out and new crops need it.

    Parameters and results are those of :func:`register_crops`.
    """
    stack = as_crops(crops)
    shifts = best_shifts(stack, template, _reach(stack, max_shift))
    return shift_crops(stack, shifts), shifts


def best_shifts(crops: Crops, template: NDArray[np.float32], max_shift: int) -> Shifts:
    """Find for each crop the shift with the highest tapered correlation with the template.

    Parameters
    ----------
    crops
        (n, C, h, w).
    template
        (C, h, w).
    max_shift
        Shifts from -max_shift to max_shift are tried along both axes.

    Returns
    -------
    ndarray of int64
        (n, 2) y, x. Among equal correlations the smallest shift wins, so a blank crop stays where it is.
    """
    side = 2 * max_shift + 1
    nearness = _nearness(max_shift)
    shifts = [np.zeros((0, 2), np.int64)]
    for batch in np.array_split(crops, range(_BATCH, len(crops), _BATCH)):
        score = correlations(torch.from_numpy(batch), torch.from_numpy(template), max_shift)
        best = (score.double() + nearness).flatten(1).argmax(1).numpy()
        shifts.append(np.stack([best // side, best % side], axis=1) - max_shift)
    return np.concatenate(shifts)


def correlations(crops: Tensor, template: Tensor, max_shift: int) -> Tensor:
    """Correlate every shifted crop with the template under a taper that fades towards the border.

    The taper keeps mirrored border pixels from deciding. Per channel means are removed, so that brightness
    does not count.

    Returns
    -------
    Tensor
        (n, 2 m + 1, 2 m + 1) normalised correlation in [-1, 1]; 0 where crop or template is blank.
    """
    taper = _taper(template.shape[-2], template.shape[-1])
    channels = template.shape[0]
    centred = template - (template * taper).sum((1, 2), keepdim=True)
    padded = functional.pad(crops, (max_shift,) * 4, mode="reflect")
    joint = functional.conv2d(padded, (centred * taper)[None])
    window = taper.expand(channels, 1, -1, -1).contiguous()
    mean = functional.conv2d(padded, window, groups=channels)
    square = functional.conv2d(padded**2, window, groups=channels)
    energy = (square - mean**2).sum(1).clamp_min(0)
    own = (centred**2 * taper).sum()
    blank = (energy < _FLAT) | (own < _FLAT)
    return torch.where(blank, torch.zeros(()), joint[:, 0] / (energy * own).clamp_min(_FLAT**2).sqrt())


def shift_crops(crops: Crops, shifts: Shifts) -> Crops:
    """Move each crop up by shift_y and left by shift_x; what comes into view is mirrored."""
    reach = int(np.abs(shifts).max(initial=0))
    if not reach:
        return crops.copy()
    padded = np.pad(crops, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    height, width = crops.shape[2:]
    return np.stack([padded[i, :, y : y + height, x : x + width] for i, (y, x) in _corners(shifts, reach)])


def _reach(crops: Crops, max_shift: int | None) -> int:
    if max_shift is None:
        return default_shift(crops.shape)
    if not 0 <= max_shift < min(crops.shape[2:]):
        raise ValueError(f"a shift of {max_shift} px does not fit crops of {crops.shape[2:]} px")
    return max_shift


def _corners(shifts: Shifts, reach: int) -> Iterator[tuple[int, tuple[int, int]]]:
    for i, (y, x) in enumerate(shifts):
        yield i, (reach + int(y), reach + int(x))


def _centred(shifts: Shifts, reach: int) -> Shifts:
    middle = np.round(np.median(shifts, axis=0)).astype(np.int64)
    return np.asarray(np.clip(shifts - middle, -reach, reach), np.int64)


def _nearness(max_shift: int) -> Tensor:
    """Break ties in favour of small shifts; far below any difference that means something."""
    axis = torch.arange(-max_shift, max_shift + 1, dtype=torch.float64)
    return -1e-6 * (axis[:, None] ** 2 + axis[None] ** 2)


def _taper(height: int, width: int) -> Tensor:
    """Weights (h, w) that sum to 1: raised cosine, never quite 0 at the border."""
    rows, columns = (torch.hann_window(side + 2, periodic=False)[1:-1] + 0.05 for side in (height, width))
    window = rows[:, None] * columns[None]
    return window / window.sum()
