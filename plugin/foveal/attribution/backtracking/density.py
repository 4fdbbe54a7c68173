"""From single pixels to a density: Gaussians round them, and which of them lie apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: Standard deviation of the Gaussians, in parts of the sample's side: 20 pixels at 224.
SIGMA = 20 / 224
#: A pixel is an outlier where fewer than this part of all pixels lies near it, ...
SHARE = 0.05
#: ... near being this part of the sample's diagonal.
REACH = 0.1


def smooth(counts: Tensor, sigma: float | None = None) -> Tensor:
    """Put a Gaussian of height 1 round every pixel, times its count.

    Parameters
    ----------
    counts
        How often each pixel was reached (N, *S), float64.
    sigma
        Standard deviation in pixels; by default 20/224 of each side.

    Returns
    -------
    Tensor
        Sums (N, *S), float64.
    """
    widths = [sigma or max(SIGMA * side, 0.5) for side in counts.shape[1:]]

    def gaussian(offsets: Sequence[Tensor]) -> Tensor:
        squares = [(offset / width) ** 2 for offset, width in zip(offsets, widths, strict=True)]
        return torch.exp(-torch.stack(squares).sum(0) / 2)

    return _convolve(counts, gaussian).clamp_min_(0)


def without_outliers(counts: Tensor, share: float = SHARE, reach: float = REACH) -> Tensor:
    """Take out pixels that lie apart from the rest.

    Parameters
    ----------
    counts
        How often each pixel was reached (N, *S), float64.
    share
        Part of all pixels, counted as often as they were reached, that has to lie near each that stays.
    reach
        What is near, as a part of the diagonal.

    Returns
    -------
    Tensor
        Counts (N, *S), 0 where an outlier was.
    """
    radius = reach * sum(side**2 for side in counts.shape[1:]) ** 0.5

    def disc(offsets: Sequence[Tensor]) -> Tensor:
        squares = torch.stack([offset**2 for offset in offsets]).sum(0)
        return squares.le(radius**2 * (1 + 1e-9)).double()

    near = _convolve(counts, disc)
    total = counts.flatten(1).sum(1).view(-1, *[1] * (counts.ndim - 1))
    # The sums come out of a Fourier transform: exactly the share must not fall to rounding.
    return torch.where(near >= (share - 1e-9) * total, counts, 0)


def _convolve(counts: Tensor, kernel: Callable[[Sequence[Tensor]], Tensor]) -> Tensor:
    """Sum a function of the offset over all pixels, for every pixel."""
    sides = counts.shape[1:]
    axes = [torch.arange(2 * side, dtype=torch.float64, device=counts.device) for side in sides]
    # Offsets from 0 to side - 1, and the negative ones behind them, as a circle of twice the side has them.
    circles = [
        torch.where(axis < side, axis, axis - 2 * side) for axis, side in zip(axes, sides, strict=True)
    ]
    spectrum = torch.fft.rfftn(kernel(torch.meshgrid(*circles, indexing="ij")))
    size, dims = [2 * side for side in sides], tuple(range(1, counts.ndim))
    rows = [
        torch.fft.irfftn(torch.fft.rfftn(row[None], s=size, dim=dims) * spectrum, s=size, dim=dims)
        for row in counts
    ]
    inner = tuple(slice(side) for side in sides)
    return torch.cat([row[(slice(None), *inner)] for row in rows]) if rows else counts
