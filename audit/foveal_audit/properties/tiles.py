"""Pictures of one size, and the tiles of a coarse grid that statistics are taken of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels

#: Tiles on each side of a picture.
GRID = 4
#: Sides below this hold no tile worth measuring.
SMALLEST = 24
#: Tiles are measured at full sharpness; of a larger one its middle of this side.
_LARGEST_TILE = 32

Floats = NDArray[np.float32]


def as_shares(pixels: Pixels) -> Floats:
    """Give 8 or 16 bits (H, W, C) as shares of the largest value, float32 in 0 to 1."""
    return np.asarray(pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max))


@dataclass(frozen=True)
class Batch:
    """Pictures of one size.

    Attributes
    ----------
    pictures
        float32 (n, H, W, C), 0 to 1.
    """

    pictures: Floats

    @cached_property
    def luma(self) -> Floats:
        """Mean of the channels, (n, H, W)."""
        return np.asarray(self.pictures.mean(axis=3))

    @cached_property
    def tiles(self) -> Floats:
        """Brightness of the middle of each tile, (n, 16, h, w), row by row."""
        return self.tiles_of(self.luma)

    def tiles_of(self, values: Floats) -> Floats:
        """Cut the same tiles out of one value per pixel (n, H, W): (n, 16, h, w)."""
        rows, columns = _spans(values.shape[1]), _spans(values.shape[2])
        return np.stack([values[:, row, column] for row in rows for column in columns], axis=1)

    @cached_property
    def residual(self) -> Floats:
        """Tiles without their mean and slope, (n, 16, h, w)."""
        tiles: Floats = self.tiles - self.tiles.mean(axis=(2, 3), keepdims=True)
        for axis in (2, 3):
            ramp = np.linspace(-1, 1, tiles.shape[axis], dtype=np.float32)
            ramp = ramp[:, None] if axis == 2 else ramp[None, :]
            weight = (tiles * ramp).mean(axis=(2, 3), keepdims=True) / (ramp**2).mean()
            tiles = np.asarray(tiles - weight * ramp)
        return tiles


def _spans(side: int) -> list[slice]:
    """Say which pixels of each tile along a side are measured."""
    edges = [side * number // GRID for number in range(GRID + 1)]
    length = min(side // GRID, _LARGEST_TILE)
    return [slice(start, start + length) for start in map(_start, edges[:-1], edges[1:])]


def _start(low: int, high: int) -> int:
    return low + max(0, high - low - _LARGEST_TILE) // 2


def is_measurable(shape: Sequence[int]) -> bool:
    """Say whether a picture (H, W, C) is large enough."""
    return min(shape[:2]) >= SMALLEST
