"""Noise and focus: how much pixels differ from their neighbours, and how that grows with distance."""

from __future__ import annotations

from collections.abc import Mapping

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
    """Answer to [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], scaled to the noise's standard deviation."""
    rows = tiles[:, :, 2:] - 2 * tiles[:, :, 1:-1] + tiles[:, :, :-2]
    both = rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2]
    return np.asarray(np.abs(both) / np.float32(6 * 0.6745))


def _difference(tiles: Floats, step: int) -> Floats:
    down = tiles[:, :, step:, :-step] - tiles[:, :, :-step, :-step]
    right = tiles[:, :, :-step, step:] - tiles[:, :, :-step, :-step]
    return _middle(np.sqrt(down**2 + right**2))


def _middle(values: Floats) -> Floats:
    return np.asarray(np.log(np.median(values, axis=(2, 3)) + _FLOOR), dtype=np.float32)
