"""What entries are compared by: numbers in one space, where near means alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float32]

#: Height and width of the small grey picture that stands for a crop.
_SIDE = 16
_PICTURE = _SIDE * _SIDE


@dataclass(frozen=True)
class Space:
    """One space.

    Attributes
    ----------
    model_sha256, layer
        Whose vectors these are; empty for the space of appearance.
    dims
        Numbers per entry.
    """

    model_sha256: str
    layer: str
    dims: int

    @property
    def condition(self) -> tuple[str, list[Any]]:
        """Give the condition on the catalog's entries that are in this space."""
        if not self.model_sha256:
            return "dims = 0", []
        return "model_sha256 = ? AND layer = ? AND dims = ?", [self.model_sha256, self.layer, self.dims]

    @property
    def points(self) -> Callable[[pa.Table], Points]:
        """Give what makes the numbers of entries."""
        return _vectors if self.model_sha256 else _pictures


APPEARANCE = Space("", "", _PICTURE)


def space_of(model_sha256: str, layer: str, dims: int) -> Space:
    """Give the space of an entry with a vector of so many numbers."""
    return Space(model_sha256, layer, dims) if dims else APPEARANCE


def picture(crop: bytes) -> Points:
    """Describe a crop: a small grey picture without its mean, of length one; zeros where it is no picture."""
    try:
        with Image.open(io.BytesIO(crop)) as image:
            image.draft("L", (_SIDE, _SIDE))
            small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return np.zeros(_PICTURE, np.float32)
    values = np.asarray(small, np.float32).ravel()
    described: Points = unit_length(values[None] - values.mean())[0]
    return described


def unit_length(points: Points) -> Points:
    """Scale each row to length one; a row of zeros stays."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    scaled: Points = np.asarray(points / np.where(lengths > 0, lengths, 1), np.float32)
    return scaled


def _vectors(entries: pa.Table) -> Points:
    column = entries["vector"].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    flat: Points = column.flatten().to_numpy(zero_copy_only=False)
    return unit_length(flat.reshape(len(entries), -1))


def _pictures(entries: pa.Table) -> Points:
    return np.stack([picture(crop) for crop in entries["crop"].to_pylist()])
