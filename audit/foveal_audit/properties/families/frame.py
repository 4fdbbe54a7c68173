"""Rims and vignettes: corners and sides of the picture against its inside."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

#: Depth of the rim and side of a corner, as shares of the picture.
_RIM, _CORNER = 0.08, 0.15
#: Larger pictures are looked at from further away: the rim is no fine thing.
_SIDE = 96


def frame(batch: Batch) -> Mapping[str, Floats]:
    """Measure the median brightness of four corners, and of four sides, less that of the inside, -1 to 1."""
    luma = batch.luma[:, :: max(1, batch.luma.shape[1] // _SIDE), :: max(1, batch.luma.shape[2] // _SIDE)]
    rim, corner = (_depths(luma.shape[1:], share) for share in (_RIM, _CORNER))
    inside = _middle(luma[:, corner[0] : -corner[0], corner[1] : -corner[1]])
    ends = [[slice(None, depth), slice(-depth, None)] for depth in corner]
    corners = [luma[:, rows, columns] for rows in ends[0] for columns in ends[1]]
    sides = [luma[:, : rim[0]], luma[:, -rim[0] :], luma[:, :, : rim[1]], luma[:, :, -rim[1] :]]
    return {"corners": _against(corners, inside), "rim": _against(sides, inside)}


def _depths(shape: tuple[int, ...], share: float) -> tuple[int, int]:
    height, width = (max(2, round(share * side)) for side in shape)
    return height, width


def _middle(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=(1, 2)), dtype=np.float32)


def _against(parts: list[Floats], inside: Floats) -> Floats:
    return np.stack([_middle(part) for part in parts], axis=1) - inside[:, None]
