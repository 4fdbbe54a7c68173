"""Samples of one size, and the tiles of a coarse grid that statistics are taken of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values
from foveal_audit.judgement.filling import like
from foveal_audit.spans import FULL, Span


@dataclass(frozen=True)
class Grid:
    """How samples are cut into tiles.

    Attributes
    ----------
    tiles
        On each side.
    smallest
        Sides below this hold no tile worth measuring.
    largest_tile
        Tiles are measured at full sharpness; of a larger one its middle of this side.
    """

    tiles: int
    smallest: int
    largest_tile: int


#: By the number of axes.
GRIDS: Mapping[int, Grid] = {1: Grid(8, 128, 1024), 2: Grid(4, 24, 32), 3: Grid(2, 12, 32)}

Floats = NDArray[np.float32]


def as_shares(values: Values, span: Span = FULL) -> Floats:
    """Give values (*S, C) as shares of what they span, float32, 0 to 1 but for what lies beyond it."""
    if span == FULL:
        return np.asarray(values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max))
    low, high = np.array(span.low), np.array(span.high)
    return np.asarray((values - low) / (high - low), dtype=np.float32)


def as_values(shares: Floats, host: Values, span: Span = FULL) -> Values:
    """Give shares in the type of a sample, within its range; of a picture cut to 0 to 1."""
    if span == FULL:
        return like(np.clip(shares, 0, 1) * np.iinfo(host.dtype).max, host)
    low, high = np.array(span.low), np.array(span.high)
    return like(shares * (high - low) + low, host)


@dataclass(frozen=True)
class Batch:
    """Samples of one size.

    Attributes
    ----------
    pictures
        float32 (n, *S, C), 0 to 1.
    """

    pictures: Floats

    @property
    def axes(self) -> int:
        """Number of axes of the samples."""
        return self.pictures.ndim - 2

    @property
    def inside(self) -> tuple[int, ...]:
        """Axes of :attr:`tiles` along which a tile's places lie."""
        return tuple(range(2, 2 + self.axes))

    @cached_property
    def luma(self) -> Floats:
        """Mean of the channels, (n, *S)."""
        return np.asarray(self.pictures.mean(axis=-1))

    @cached_property
    def tiles(self) -> Floats:
        """Brightness of the middle of each tile, (n, tiles, *s), of a picture row by row."""
        return self.tiles_of(self.luma)

    def tiles_of(self, values: Floats) -> Floats:
        """Cut the same tiles out of one value per place (n, *S): (n, tiles, *s)."""
        grid = GRIDS[values.ndim - 1]
        along = [_spans(side, grid) for side in values.shape[1:]]
        return np.stack([values[(slice(None), *place)] for place in product(*along)], axis=1)

    @cached_property
    def residual(self) -> Floats:
        """Tiles without their mean and slope, (n, tiles, *s)."""
        tiles: Floats = self.tiles - self.tiles.mean(axis=self.inside, keepdims=True)
        for axis in self.inside:
            ramp = np.linspace(-1, 1, tiles.shape[axis], dtype=np.float32)
            ramp = ramp.reshape(-1, *[1] * (tiles.ndim - 1 - axis))
            weight = (tiles * ramp).mean(axis=self.inside, keepdims=True) / (ramp**2).mean()
            tiles = np.asarray(tiles - weight * ramp)
        return tiles


def _spans(side: int, grid: Grid) -> list[slice]:
    """Say which places of each tile along a side are measured."""
    edges = [side * number // grid.tiles for number in range(grid.tiles + 1)]
    length = min(side // grid.tiles, grid.largest_tile)
    starts = (low + max(0, high - low - grid.largest_tile) // 2 for low, high in pairwise(edges))
    return [slice(start, start + length) for start in starts]


def is_measurable(shape: Sequence[int]) -> bool:
    """Say whether a sample (*S, C) is large enough."""
    return min(shape[:-1]) >= GRIDS[len(shape) - 1].smallest
