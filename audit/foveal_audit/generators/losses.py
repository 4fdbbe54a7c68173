"""What the VAE is asked for: a close picture at every scale and in the audited network's eyes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .layers import AVERAGE, doubled, firsts

_SMALLEST_LEVEL = 8  # a pyramid stops where a side would fall below this


def laplacian_bands(x: Tensor) -> list[Tensor]:
    """Split crops (B, C, *s) into band-passes, finest first, and the coarse rest.

    Averages over neighbours, two along each axis, take the place of the Gaussian (Burt & Adelson 1983). Odd
    sides lose their last place at the coarser levels.
    """
    bands, level, average = [], x, AVERAGE[x.ndim - 2]
    while min(level.shape[2:]) // 2 >= _SMALLEST_LEVEL:
        coarse = average(level, 2)
        even = firsts(level, doubled(coarse.shape[2:]))
        bands.append(even - functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))
        level = coarse
    return [*bands, level]


def laplacian_l1(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference per band, summed with double weight per coarser level."""
    return _weighted([(a - b).abs().mean() for a, b in zip(real, made, strict=True)])


def _weighted(parts: Sequence[Tensor]) -> Tensor:
    """Sum with double weight per coarser level."""
    return torch.stack([torch.zeros(()), *(2**i * part for i, part in enumerate(parts))]).sum()


def feature_distance(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference per feature map relative to the real map's mean size, averaged over maps."""
    parts = [(a - b).abs().mean() / a.abs().mean().clamp_min(1e-6) for a, b in zip(real, made, strict=True)]
    return torch.stack(parts).mean()


def kl_to_unit(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the posterior from N(0, I), summed over axes, averaged over crops."""
    return 0.5 * (log_variance.exp() + mean**2 - 1.0 - log_variance).sum(1).mean()
