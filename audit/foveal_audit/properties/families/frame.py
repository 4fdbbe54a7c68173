"""Rims and vignettes: corners and sides of the picture against its inside."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: Depth of the rim and side of a corner, as shares of the picture.
_RIM, _CORNER = 0.08, 0.15
#: Larger pictures are looked at from further away: the rim is no fine thing.
_SIDE = 96


def frame(batch: Batch) -> Mapping[str, Floats]:
    """Measure the median brightness of the corners, and of the sides, less that of the inside, -1 to 1."""
    every = slice(None)
    luma = batch.luma[(every, *(slice(None, None, max(1, side // _SIDE)) for side in batch.luma.shape[1:]))]
    rim, corner = (_depths(luma.shape[1:], share) for share in (_RIM, _CORNER))
    inside = _middle(luma[(every, *(slice(depth, -depth) for depth in corner))])
    ends = [[slice(None, depth), slice(-depth, None)] for depth in corner]
    corners = [luma[(every, *place)] for place in product(*ends)]
    sides = [
        luma[(every,) * (1 + axis) + (end,)]
        for axis, depth in enumerate(rim)
        for end in (slice(None, depth), slice(-depth, None))
    ]
    return {"corners": _against(corners, inside), "rim": _against(sides, inside)}


def _depths(shape: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(max(2, round(share * side)) for side in shape)


def _middle(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=tuple(range(1, values.ndim))), dtype=np.float32)


def _against(parts: list[Floats], inside: Floats) -> Floats:
    return np.stack([_middle(part) for part in parts], axis=1) - inside[:, None]
