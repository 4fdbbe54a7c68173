"""Shift-align the crops of a feature to what they have in common.

Windows land on a feature with a jitter of a few pixels. A linear or small generator spends its latent axes
on that jitter unless it is taken out first; measured, this decides quality more than the kind of generator.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foveal_audit.reproducible import one_thread

from .crops import Crops, as_crops
from .layers import CONVOLVE, firsts

Shifts = NDArray[np.int64]  #: (n, axes): what was moved towards the start of each axis, y and x of a picture
_BATCH = 256  # crops correlated at once, bounds the memory
_FLAT = 1e-6  # variance under the taper below which a patch counts as blank


def default_shift(shape: tuple[int, ...]) -> int:
    """Give the largest shift searched for crops of a shape (n, C, *s): a fifth of the shortest side."""
    return max(1, min(shape[2:]) // 5)


def register_crops(
    crops: Crops, max_shift: int | None = None, rounds: int = 8
) -> tuple[Crops, Shifts, NDArray[np.float32]]:
    """Align crops to their own mean, which sharpens with every round.

    Parameters
    ----------
    crops
        (n, C, *s) in [0, 1].
    max_shift
        Largest shift along each axis; default a fifth of the shortest side.
    rounds
        Rounds at most; ends sooner when no shift changes.

    Returns
    -------
    aligned
        (n, C, *s); what comes into view from outside is mirrored from inside.
    shifts
        (n, axes), of pictures y, x: ``aligned[i][y, x]`` is ``crops[i][y + shift_y, x + shift_x]``. Their
        median is near 0, because a template is free to wander off as a whole.
    template
        (C, *s) mean of the aligned crops.
    """
    stack = as_crops(crops)
    reach = _reach(stack, max_shift)
    shifts = np.zeros((len(stack), stack.ndim - 2), np.int64)
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
        (n, C, *s).
    template
        (C, *s).
    max_shift
        Shifts from -max_shift to max_shift are tried along every axis.

    Returns
    -------
    ndarray of int64
        (n, axes). Among equal correlations the smallest shift wins, so a blank crop stays where it is.
    """
    axes = crops.ndim - 2
    sides = (2 * max_shift + 1,) * axes
    nearness = _nearness(max_shift, axes)
    shifts = [np.zeros((0, axes), np.int64)]
    with one_thread():
        for start in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(crops[start : start + _BATCH])
            score = correlations(batch, torch.from_numpy(template), max_shift)
            best = (score.double() + nearness).flatten(1).argmax(1).numpy()
            shifts.append(np.stack(np.unravel_index(best, sides), axis=1) - max_shift)
    return np.concatenate(shifts)


def correlations(crops: Tensor, template: Tensor, max_shift: int) -> Tensor:
    """Correlate every shifted crop with the template under a taper that fades towards the border.

    The taper keeps mirrored border pixels from deciding. Per channel means are removed, so that brightness
    does not count.

    Returns
    -------
    Tensor
        (n, 2 m + 1 along each axis) normalised correlation in [-1, 1]; 0 where crop or template is blank.
    """
    axes = template.ndim - 1
    tapers = [_taper(side) for side in template.shape[1:]]
    taper = reduce(lambda left, right: left[..., None] * right, tapers)
    centred = template - (template * taper).sum(tuple(range(1, axes + 1)), keepdim=True)
    padded = functional.pad(crops, (max_shift,) * (2 * axes), mode="reflect")
    joint = _slide(padded, centred * taper, max_shift)
    mean, square = (_tapered_mean(x, tapers) for x in (padded, padded**2))
    energy = (square - mean**2).sum(1).clamp_min(0)
    own = (centred**2 * taper).sum()
    blank = (energy < _FLAT) | (own < _FLAT)
    return torch.where(blank, torch.zeros(()), joint / (energy * own).clamp_min(_FLAT**2).sqrt())


def _slide(padded: Tensor, kernel: Tensor, max_shift: int) -> Tensor:
    """Multiply a kernel (C, *s) with every place it fits in (n, C, *(s + 2 m)) and sum.

    Through Fourier space: a direct sum with a kernel as large as the crop costs the square of its area.
    """
    size = padded.shape[2:]
    axes = tuple(range(-len(size), 0))
    spectrum = (torch.fft.rfftn(padded, dim=axes) * torch.fft.rfftn(kernel, s=size, dim=axes).conj()).sum(1)
    product: Tensor = torch.fft.irfftn(spectrum, s=size, dim=axes)
    return firsts(product, (2 * max_shift + 1,) * len(size))


def _tapered_mean(padded: Tensor, tapers: list[Tensor]) -> Tensor:
    """Mean under the taper at every place, (n, C, 2 m + 1 along each axis); one axis after the other."""
    means, axes = padded.flatten(0, 1)[:, None], len(tapers)
    for axis, taper in enumerate(tapers):
        sides = [len(taper) if other == axis else 1 for other in range(axes)]
        means = CONVOLVE[axes](means, taper.reshape(1, 1, *sides))
    return means.reshape(*padded.shape[:2], *means.shape[2:])


def shift_crops(crops: Crops, shifts: Shifts) -> Crops:
    """Move each crop towards the start of each axis by its shifts; what comes into view is mirrored."""
    reach = int(np.abs(shifts).max(initial=0))
    if not reach:
        return crops.copy()
    sides = crops.shape[2:]
    padded = np.pad(crops, ((0, 0), (0, 0), *((reach, reach) for _ in sides)), mode="reflect")
    return np.stack([crop[_cut(shift + reach, sides)] for crop, shift in zip(padded, shifts, strict=True)])


def _reach(crops: Crops, max_shift: int | None) -> int:
    if max_shift is None:
        return default_shift(crops.shape)
    if not 0 <= max_shift < min(crops.shape[2:]):
        raise ValueError(f"a shift of {max_shift} does not fit crops of {crops.shape[2:]}")
    return max_shift


def _cut(starts: NDArray[np.int64], sides: tuple[int, ...]) -> tuple[slice, ...]:
    """Name the part of a crop (C, *s) that begins at a place."""
    parts = (slice(int(start), int(start) + side) for start, side in zip(starts, sides, strict=True))
    return (slice(None), *parts)


def _centred(shifts: Shifts, reach: int) -> Shifts:
    middle = np.round(np.median(shifts, axis=0)).astype(np.int64)
    return np.asarray(np.clip(shifts - middle, -reach, reach), np.int64)


def _nearness(max_shift: int, axes: int) -> Tensor:
    """Break ties in favour of small shifts; far below any difference that means something."""
    axis = torch.arange(-max_shift, max_shift + 1, dtype=torch.float64)
    return -1e-6 * reduce(lambda left, right: left[..., None] + right, [axis**2] * axes)


def _taper(side: int) -> Tensor:
    """Weights along one axis that sum to 1: raised cosine, never quite 0 at the border."""
    window = torch.hann_window(side + 2, periodic=False)[1:-1] + 0.05
    return window / window.sum()
