"""Bands: how much of a tile's variance its row means, or its column means, already have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

_FLOOR = np.float32(1e-6)


def lines(batch: Batch) -> Mapping[str, Floats]:
    """Measure lying and upright lines as shares of variance, 0 to 1, and their strength as logarithms.

    The phase of the lines does not matter, nor do slow shades (each tile's slope is taken out): the plain
    form of the striping measures of push-broom scanners (Carfantan and Idier 2010).
    """
    tiles = batch.residual
    whole = tiles.var(axis=(2, 3)) + _FLOOR
    lying, upright = tiles.mean(axis=3).var(axis=2), tiles.mean(axis=2).var(axis=2)
    return {
        "lying lines": lying / whole,
        "upright lines": upright / whole,
        "strength of lying lines": np.log(lying + _FLOOR),
        "strength of upright lines": np.log(upright + _FLOOR),
    }
