"""JPEG: steps on the borders of its blocks that are larger than the steps beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: Side of the blocks of the codec, which begin in the top left corner of the picture.
_BLOCK = 8
_FLOOR = np.float32(1e-3)


def compression(batch: Batch) -> Mapping[str, Floats]:
    """Measure blockiness: excess of steps across block borders over steps elsewhere, about 0 without blocks.

    After Wang, Sheikh and Bovik (2002), no-reference quality of JPEG pictures, per tile.
    """
    down, right = _excess(batch.luma, 1), _excess(batch.luma, 2)
    return {"blocks": down + right}


def _excess(luma: Floats, axis: int) -> Floats:
    """Compare steps along an axis at every eighth pixel with the others, per tile (n, 16)."""
    steps = np.abs(np.diff(luma, axis=axis))
    border = np.arange(steps.shape[axis]) % _BLOCK == _BLOCK - 1
    weight = border if axis == 2 else border[:, None]
    batch = Batch(luma[..., None])
    # The last row or column has no step; it is repeated so that tiles are cut alike.
    padding = [(0, 1) if number == axis else (0, 0) for number in range(3)]
    marked = np.broadcast_to(weight, steps.shape[1:]).astype(np.float32)
    cut = batch.tiles_of(np.pad(steps, padding, mode="edge"))
    where = batch.tiles_of(np.pad(marked[None], [(0, 0), *padding[1:]]))
    inside = 1 - where
    on = (cut * where).sum(axis=(2, 3)) / np.maximum(where.sum(axis=(2, 3)), 1)
    off = (cut * inside).sum(axis=(2, 3)) / np.maximum(inside.sum(axis=(2, 3)), 1)
    return np.asarray((on - off) / (off + _FLOOR), dtype=np.float32)
