"""Crops as anyone sees them, without any network: slopes, colours and the coarse picture."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn
from torch.nn import functional

from foveal_audit.units.appearance import SIDES, gradients
from foveal_audit.units.resizing import resized

from .crops import Crops
from .metrics import Points, Standardiser

_BINS = 8  # of each channel's histogram
_WAVES = {1: 24, 2: 6, 3: 4}  # lowest cosines kept along each axis, by their number


class PlainEyes:
    """Describe crops by their slopes, colour histograms and lowest cosines, each with equal say.

    Parameters
    ----------
    reference
        (n, C, *s) real crops: every number is measured in their standard deviations, and a block of many
        numbers counts as much as a block of few.
    """

    def __init__(self, reference: Crops) -> None:
        self._scales = [Standardiser(block) for block in _blocks(reference)]

    def __call__(self, crops: Crops) -> Points:
        """Map (n, C, *s) to (n, D); distances are in units of a block's own spread."""
        pairs = zip(self._scales, _blocks(crops), strict=True)
        return np.concatenate([_balanced(scale(block)) for scale, block in pairs], axis=1)


def _balanced(block: Points) -> Points:
    return np.asarray(block / np.sqrt(max(block.shape[1], 1)), np.float64)


def _blocks(crops: Crops) -> list[Points]:
    common = _common_size(crops)
    return [gradients(common).astype(np.float64), _histograms(common), _cosines(common)]


def _common_size(crops: Crops) -> Crops:
    """Bring crops to the side where cells of slopes mean the same for every size."""
    axes = crops.ndim - 2
    sides = (SIDES[axes],) * axes
    if crops.shape[2:] == sides or not len(crops):
        return crops
    return _RESIZED.get(axes, _one_by_one)(crops, sides).clip(0, 1)


def _pictures(crops: Crops, sides: tuple[int, ...]) -> Crops:
    stack = torch.from_numpy(np.ascontiguousarray(crops))
    large: Crops = functional.interpolate(stack, sides, mode="bilinear", antialias=True).numpy()
    return large


def _one_by_one(crops: Crops, sides: tuple[int, ...]) -> Crops:
    return np.stack([resized(np.moveaxis(crop, 0, -1), sides) for crop in crops])


#: By the number of axes; pictures keep the scaling whose figures cards hold.
_RESIZED = {2: _pictures}


def _histograms(crops: Crops) -> Points:
    """Share of pixels per brightness bin and channel, neighbouring bins sharing a pixel between them."""
    place = crops.reshape(*crops.shape[:2], -1, 1) * (_BINS - 1)
    shares = (1 - np.abs(place - np.arange(_BINS, dtype=np.float32))).clip(0).mean(2)
    return np.asarray(np.sqrt(shares.reshape(len(crops), -1)), np.float64)


def _cosines(crops: Crops) -> Points:
    axes = tuple(range(2, crops.ndim))
    kept = (slice(_WAVES[len(axes)]),) * len(axes)
    waves = dctn(crops, axes=axes, norm="ortho")[(slice(None), slice(None), *kept)]
    return np.asarray(waves.reshape(len(crops), -1), np.float64)
