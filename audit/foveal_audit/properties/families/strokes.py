"""Hairs, scratches and writing: thin things darker or lighter than what they lie on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from foveal_audit.properties.tiles import Batch, Floats

#: What is narrower than this, in pixels, is a stroke.
_WIDTH = 5
_FLOOR = np.float32(1e-3)


def strokes(batch: Batch) -> Mapping[str, Floats]:
    """Measure dark and light strokes (mean top-hat, logarithm), and asymmetry and tails of the values.

    Top-hats are what hair removal for skin pictures rests on (Lee et al. 1997, DullRazor); skewness and
    kurtosis of the tile without its slope say whether few pixels stand out, and to which side.
    """
    tiles = batch.tiles
    opened, closed = _hull(tiles, least=True), _hull(tiles, least=False)
    residual = batch.residual
    spread = residual.std(axis=(2, 3)) + _FLOOR
    square = residual**2
    return {
        "dark strokes": np.log((closed - tiles).mean(axis=(2, 3)) + _FLOOR),
        "light strokes": np.log((tiles - opened).mean(axis=(2, 3)) + _FLOOR),
        "asymmetry": (square * residual).mean(axis=(2, 3)) / spread**3,
        "tails": (square * square).mean(axis=(2, 3)) / spread**4,
    }


def _hull(tiles: Floats, *, least: bool) -> Floats:
    """Open (least) or close a tile with a square."""
    first, second = (minimum_filter1d, maximum_filter1d) if least else (maximum_filter1d, minimum_filter1d)
    for one in (first, second):
        for axis in (2, 3):
            tiles = one(tiles, _WIDTH, axis=axis, mode="nearest")
    return tiles
