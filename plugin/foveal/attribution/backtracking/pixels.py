"""What backtracking finds: important pixels, and the views of them that the paper draws."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.density import REACH, SHARE, smooth, without_outliers
from foveal.errors import UsageError


@dataclass(frozen=True, eq=False)
class ImportantPixels:
    """The pixels that carried one unit of one sample.

    Attributes
    ----------
    coordinates
        Where they lie (N, axes), in the order of the grid: z, y, x.
    counts
        How many paths end in each (N,), float64.
    """

    coordinates: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, eq=False)
class Backtrack:
    """The important pixels of every sample and unit.

    Attributes
    ----------
    counts
        How many paths end in each pixel (B, K, *S), summed over the input's channels; float64.
    """

    counts: Tensor

    @classmethod
    def of(cls, carried: Carried, shape: tuple[int, ...], units: int) -> Backtrack:
        """Sort nodes of the input (B, C, *S) by sample, unit and pixel."""
        batch, channels, *grid = shape
        size = prod(grid)
        samples, pixels = carried.positions // (channels * size), carried.positions % size
        counts = torch.zeros(batch * units * size, dtype=torch.float64, device=carried.positions.device)
        counts.index_add_(0, (samples * units + carried.units) * size + pixels, carried.counts)
        return cls(counts.view(batch, units, *grid))

    def pixels(self, sample: int, unit: int = 0) -> ImportantPixels:
        """Give the important pixels of one unit of one sample."""
        counts = self.counts[sample, unit]
        coordinates = counts.nonzero()
        return ImportantPixels(coordinates, counts[tuple(coordinates.T)])

    def focused(self, share: float = SHARE, reach: float = REACH) -> Backtrack:
        """Take out the outliers: pixels with fewer than that share of all within that part of the diagonal.

        Raises
        ------
        UsageError
            If one of them is not between 0 and 1.
        """
        for name, value in (("share", share), ("reach", reach)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is {value}", "Give a number from 0 to 1")
        flat = self.counts.flatten(0, 1)
        return Backtrack(without_outliers(flat, share, reach).view(self.counts.shape))

    def density(self, sigma: float | None = None) -> Tensor:
        """Put a Gaussian round every pixel, weighted by its share of the paths.

        Parameters
        ----------
        sigma
            Standard deviation in pixels; by default 20/224 of each side, so 20 at 224.

        Returns
        -------
        Tensor
            Densities (B, K, *S), float64, from 0 to 1; 1 where all paths meet in one pixel, 0 all over where
            nothing contributed.

        Raises
        ------
        UsageError
            If sigma is not positive.
        """
        if sigma is not None and sigma <= 0:
            raise UsageError(f"sigma is {sigma}", "Give a width in pixels above 0, or None")
        flat = self.counts.flatten(0, 1)
        totals = flat.flatten(1).sum(1).clamp_min(1).view(-1, *[1] * (flat.ndim - 1))
        return smooth(flat / totals, sigma).view(self.counts.shape)

    def attention(self, sigma: float | None = None) -> Tensor:
        """Give the attention region (B, K, *S): the density, the most of each map being 1."""
        density = self.density(sigma)
        most = density.flatten(2).amax(-1).view(*density.shape[:2], *[1] * (density.ndim - 2))
        return torch.where(most > 0, density / most.clamp_min(torch.finfo(density.dtype).tiny), 0)

    def saliency(self, threshold: float = 0.5, sigma: float | None = None) -> Tensor:
        """Give the saliency mask (B, K, *S): where the attention reaches the threshold.

        Parameters
        ----------
        threshold
            Part of the map's largest value, above 0 up to 1. The paper tried several, and prints none.
        sigma
            As for :meth:`density`.

        Raises
        ------
        UsageError
            If the threshold is out of range.
        """
        if not 0 < threshold <= 1:
            raise UsageError(f"threshold is {threshold}", "Give a number above 0 up to 1")
        return self.attention(sigma) >= threshold

    def box(self, sample: int, unit: int = 0) -> tuple[int, ...] | None:
        """Draw the box round the outermost important pixels of one unit of one sample.

        Returns
        -------
        tuple or None
            Half-open: the first pixel of each axis, then one past the last, as (y0, x0, y1, x1); None where
            nothing contributed.
        """
        coordinates = self.pixels(sample, unit).coordinates
        if not len(coordinates):
            return None
        return (*coordinates.amin(0).tolist(), *(coordinates.amax(0) + 1).tolist())

    def boxes(self) -> list[list[tuple[int, ...] | None]]:
        """Give the boxes of every sample and unit; see :meth:`box`."""
        batch, units = self.counts.shape[:2]
        return [[self.box(sample, unit) for unit in range(units)] for sample in range(batch)]
