"""Noise and focus: how much pixels differ from their neighbours, and how that grows with distance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: Keeps logarithms of flat tiles finite: a quarter of a grey level of 8 bits.
_FLOOR = np.float32(1e-3)
_FAR = 3


def grain(batch: Batch) -> Mapping[str, Floats]:
    """Measure noise, contrast at three pixels, and sharpness, natural logarithms.

    ``noise`` is the median absolute answer to a difference of Laplacians (Immerkaer 1996), the median because
    edges of objects are few. ``sharpness`` is the difference at one pixel against that at three: a
    slope of the spectrum that blur lowers and noise raises (cf. Vu and Chandler 2009, spectral slope).
    """
    tiles = batch.tiles
    near, far = _difference(tiles, 1), _difference(tiles, _FAR)
    return {"noise": _middle(_mask(tiles)), "contrast": far, "sharpness": near - far}


def _mask(tiles: Floats) -> Floats:
    """Answer to (1, -2, 1) along every axis, scaled to the noise's standard deviation.

    Of a picture to [[1, -2, 1], [-2, 4, -2], [1, -2, 1]].
    """
    axes = tiles.ndim - 2
    for axis in range(2, tiles.ndim):
        before = (slice(None),) * axis
        tiles = (
            tiles[(*before, slice(2, None))]
            - 2 * tiles[(*before, slice(1, -1))]
            + tiles[(*before, slice(-2))]
        )
    return np.asarray(np.abs(tiles) / np.float32(6 ** (axes / 2) * 0.6745))


def _difference(tiles: Floats, step: int) -> Floats:
    """Give the median length of the difference to the places one step further along each axis."""
    axes = tiles.ndim - 2
    here = (slice(None), slice(None), *(slice(-step),) * axes)
    squares = [
        (tiles[(*here[: 2 + axis], slice(step, None), *here[3 + axis :])] - tiles[here]) ** 2
        for axis in range(axes)
    ]
    return _middle(np.sqrt(reduce(np.add, squares)))


def _middle(values: Floats) -> Floats:
    inside = tuple(range(2, values.ndim))
    return np.asarray(np.log(np.median(values, axis=inside) + _FLOOR), dtype=np.float32)
