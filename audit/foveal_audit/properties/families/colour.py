"""Tint and exposure: the median of each tile's brightness, and of each channel against it.

Medians of tiles instead of moments of the picture: an object that covers some tiles does not move the rest.
The colour moments of Stricker and Orengo (1995), first order, are what is kept per tile.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: A few pixels of a tile tell its median.
_STEP = 2


def colour(batch: Batch) -> Mapping[str, Floats]:
    """Measure brightness (0 to 1) and, with several channels, each channel's distance from it (-1 to 1)."""
    found = {"brightness": _middle(batch.tiles)}
    channels = batch.pictures.shape[-1]
    for number in range(channels if channels > 1 else 0):
        found[f"channel {number}"] = _middle(batch.tiles_of(batch.pictures[..., number] - batch.luma))
    return found


def _middle(tiles: Floats) -> Floats:
    inside = tuple(range(2, tiles.ndim))
    some = tiles[(slice(None), slice(None), *(slice(None, None, _STEP) for _ in inside))]
    return np.asarray(np.median(some, axis=inside), dtype=np.float32)
