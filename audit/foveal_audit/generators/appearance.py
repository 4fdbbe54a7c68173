"""Crops as anyone sees them, without any network: edges, colours and the coarse picture."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn
from torch.nn import functional

from foveal_audit.units.appearance import SIDE, gradients

from .crops import Crops
from .metrics import Points, Standardiser

_BINS = 8  # of each channel's histogram
_WAVES = 6  # lowest cosines kept along each axis


class PlainEyes:
    """Describe crops by oriented gradients, colour histograms and lowest cosines, each with equal say.

    Parameters
    ----------
    reference
        (n, C, h, w) real crops: every number is measured in their standard deviations, and a block of many
        numbers counts as much as a block of few.
    """

    def __init__(self, reference: Crops) -> None:
        self._scales = [Standardiser(block) for block in _blocks(reference)]

    def __call__(self, crops: Crops) -> Points:
        """Map (n, C, h, w) to (n, D); distances are in units of a block's own spread."""
        pairs = zip(self._scales, _blocks(crops), strict=True)
        return np.concatenate([_balanced(scale(block)) for scale, block in pairs], axis=1)


def _balanced(block: Points) -> Points:
    return np.asarray(block / np.sqrt(max(block.shape[1], 1)), np.float64)


def _blocks(crops: Crops) -> list[Points]:
    common = _common_size(crops)
    return [gradients(common).astype(np.float64), _histograms(common), _cosines(common)]


def _common_size(crops: Crops) -> Crops:
    """Bring crops to 32 x 32, where cells of gradients mean the same for every size."""
    if crops.shape[2:] == (SIDE, SIDE) or not len(crops):
        return crops
    resized: Crops = functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(crops)), (SIDE, SIDE), mode="bilinear", antialias=True
    ).numpy()
    return resized.clip(0, 1)


def _histograms(crops: Crops) -> Points:
    """Share of pixels per brightness bin and channel, neighbouring bins sharing a pixel between them."""
    place = crops.reshape(*crops.shape[:2], -1, 1) * (_BINS - 1)
    shares = (1 - np.abs(place - np.arange(_BINS, dtype=np.float32))).clip(0).mean(2)
    return np.asarray(np.sqrt(shares.reshape(len(crops), -1)), np.float64)


def _cosines(crops: Crops) -> Points:
    waves = dctn(crops, axes=(2, 3), norm="ortho")[:, :, :_WAVES, :_WAVES]
    return np.asarray(waves.reshape(len(crops), -1), np.float64)
