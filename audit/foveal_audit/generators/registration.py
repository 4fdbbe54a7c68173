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

from foveal_audit.reproducible import one_thread

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
    with one_thread():
        for start in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(crops[start : start + _BATCH])
            score = correlations(batch, torch.from_numpy(template), max_shift)
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
    rows, columns = _taper(template.shape[-2]), _taper(template.shape[-1])
    taper = rows[:, None] * columns
    centred = template - (template * taper).sum((1, 2), keepdim=True)
    padded = functional.pad(crops, (max_shift,) * 4, mode="reflect")
    joint = _slide(padded, centred * taper, max_shift)
    mean, square = (_tapered_mean(x, rows, columns) for x in (padded, padded**2))
    energy = (square - mean**2).sum(1).clamp_min(0)
    own = (centred**2 * taper).sum()
    blank = (energy < _FLAT) | (own < _FLAT)
    return torch.where(blank, torch.zeros(()), joint / (energy * own).clamp_min(_FLAT**2).sqrt())


def _slide(padded: Tensor, kernel: Tensor, max_shift: int) -> Tensor:
    """Multiply a kernel (C, h, w) with every place it fits in (n, C, h + 2 m, w + 2 m) and sum.

    Through Fourier space: a direct sum with a kernel as large as the crop costs the square of its area.
    """
    size = (padded.shape[-2], padded.shape[-1])
    spectrum = (torch.fft.rfft2(padded) * torch.fft.rfft2(kernel, s=size).conj()).sum(1)
    side = 2 * max_shift + 1
    product: Tensor = torch.fft.irfft2(spectrum, s=size)
    return product[..., :side, :side]


def _tapered_mean(padded: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Mean under the taper at every place, (n, C, 2 m + 1, 2 m + 1); one axis after the other."""
    flat = padded.flatten(0, 1)[:, None]
    means = functional.conv2d(functional.conv2d(flat, rows[None, None, :, None]), columns[None, None, None])
    return means.reshape(*padded.shape[:2], *means.shape[2:])


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


def _taper(side: int) -> Tensor:
    """Weights along one axis that sum to 1: raised cosine, never quite 0 at the border."""
    window = torch.hann_window(side + 2, periodic=False)[1:-1] + 0.05
    return window / window.sum()
