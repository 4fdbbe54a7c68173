"""Bands: how much of a tile's variance the means of its rows, columns or layers already have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

_FLOOR = np.float32(1e-6)
#: Along which axis the means differ, by the number of axes.
_NAMES: Mapping[int, tuple[str, ...]] = {
    2: ("lying lines", "upright lines"),
    3: ("layers along z", "layers along y", "layers along x"),
}


def lines(batch: Batch) -> Mapping[str, Floats]:
    """Measure lying and upright lines as shares of variance, 0 to 1, and their strength as logarithms.

    Of volumes the same of layers across each axis. The phase of the lines does not matter, nor do slow
    shades (each tile's slope is taken out): the plain form of the striping measures of push-broom scanners
    (Carfantan and Idier 2010).
    """
    tiles = batch.residual
    whole = tiles.var(axis=batch.inside) + _FLOOR
    across = [
        tiles.mean(axis=tuple(other for other in batch.inside if other != axis)).var(axis=2)
        for axis in batch.inside
    ]
    named = dict(zip(_NAMES[batch.axes], across, strict=True))
    shares = {name: found / whole for name, found in named.items()}
    return shares | {f"strength of {name}": np.log(found + _FLOOR) for name, found in named.items()}
