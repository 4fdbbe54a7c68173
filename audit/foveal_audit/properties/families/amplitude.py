"""Offset, gain, drift and clipping of traces: how an amplifier was set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: Keeps logarithms of flat tiles finite: a thousandth of what traces span.
_FLOOR = np.float32(1e-3)
#: Places that are as far out as this, in parts of the tile's range, lie at its end.
_END = np.float32(1e-4)
#: Ranks between which the gain is measured: beats reach beyond, noise does not fill it.
_LOW, _HIGH = 5, 95


def amplitude(batch: Batch) -> Mapping[str, Floats]:
    """Measure the offset (median), gain (logarithm of the middle 90 %), drift and clipped share.

    Drift is how far the medians of a tile's halves lie apart, without the sign: a trace that wanders goes up
    and down. Clipped is the share of neighbours that both lie at one end of the tile's range.
    """
    tiles = batch.tiles
    low, high = np.percentile(tiles, (_LOW, _HIGH), axis=2)
    half = tiles.shape[2] // 2
    moved = np.median(tiles[..., half:], axis=2) - np.median(tiles[..., :half], axis=2)
    return {
        "offset": np.asarray(np.median(tiles, axis=2), dtype=np.float32),
        "gain": np.asarray(np.log(high - low + _FLOOR), dtype=np.float32),
        "drift": np.asarray(np.log(np.abs(moved) + _FLOOR), dtype=np.float32),
        "clipped": _clipped(tiles),
    }


def _clipped(tiles: Floats) -> Floats:
    least, most = tiles.min(axis=2, keepdims=True), tiles.max(axis=2, keepdims=True)
    near = _END * (most - least)
    ends = [np.abs(tiles - end) <= near for end in (least, most)]
    return np.asarray(sum((at[..., 1:] & at[..., :-1]).mean(axis=2) for at in ends), dtype=np.float32)
