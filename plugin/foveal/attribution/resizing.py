"""Maps and masks on another grid, on one to three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(maps: Tensor, sides: Sequence[int]) -> Tensor:
    """Resize (B, C, *S) to other sides (B, C, *sides), linearly, cells as areas and not as points."""
    if tuple(maps.shape[2:]) == tuple(sides):
        return maps
    return interpolate(maps, tuple(sides), mode=_MODES[len(sides)], align_corners=False)
