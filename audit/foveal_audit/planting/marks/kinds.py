"""The kinds of marks and how one is put on an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foveal_audit.planting.canvas import SIZE, Image, Mask, lay, seen
from foveal_audit.planting.marks.changes import CHANGES
from foveal_audit.planting.marks.frames import FRAMES
from foveal_audit.planting.marks.patches import PATCHES, Patch
from foveal_audit.planting.marks.placing import PLACINGS, own_place

#: All kinds, by name; those of limited size can be placed.
KINDS = (*PATCHES, *FRAMES, *CHANGES)
PLACED = tuple(PATCHES)


@dataclass(frozen=True)
class Look:
    """How a mark looks.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    placing
        One of :data:`~foveal_audit.planting.marks.placing.PLACINGS`; only for kinds of limited size.
    opacity
        0 to 1.
    area
        Part of the image that it covers, where its kind has a size.
    at
        Where fixed and jittering marks are, 0 to 1 down and across the picture.
    """

    kind: str
    placing: str = "fixed"
    opacity: float = 1.0
    area: float = 0.04
    at: tuple[float, float] = (0.0, 1.0)

    def put(self, rng: np.random.Generator, image: Image, centre: tuple[int, int]) -> tuple[Image, Mask]:
        """Put the mark on an image (64, 64, C) and say which pixels are its own.

        Parameters
        ----------
        rng
            The mark's own chance: the same gives the same mark at the same place.
        image
            float32 in 0 to 1.
        centre
            Middle of the object, for marks that lie on it.
        """
        if self.kind in CHANGES:
            changed = CHANGES[self.kind](rng, image, self.opacity)
            return changed, np.ones(image.shape[:2], dtype=bool)
        colour, alpha = self._layer(rng, centre)
        if image.shape[2] == 1:
            colour = colour.mean(axis=2, keepdims=True)
        return lay(image, colour, np.float32(self.opacity) * alpha), seen(alpha)

    def _layer(self, rng: np.random.Generator, centre: tuple[int, int]) -> Patch:
        area = self.area * SIZE**2
        if self.kind in FRAMES:
            return FRAMES[self.kind](rng, area)

        def where(size: tuple[int, int]) -> tuple[int, int]:
            return PLACINGS[self.placing](rng, size, own_place(self.at, size), centre)

        return _placed(PATCHES[self.kind](rng, area), where)


def _placed(patch: Patch, where: Callable[[tuple[int, int]], tuple[int, int]]) -> Patch:
    """Put a patch on an empty layer; what sticks out is moved in."""
    colour, alpha = (part[:SIZE, :SIZE] for part in patch)
    height, width = alpha.shape
    top, left = (
        min(max(start, 0), SIZE - side)
        for start, side in zip(where((height, width)), (height, width), strict=True)
    )
    whole = np.zeros((SIZE, SIZE, 3), dtype=np.float32), np.zeros((SIZE, SIZE), dtype=np.float32)
    for layer, part in zip(whole, (colour, alpha), strict=True):
        layer[top : top + height, left : left + width] = part
    return whole
