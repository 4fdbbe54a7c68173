"""Columns whose values have different sizes, cut out of one long array that may lie on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

_Rows = NDArray[np.int64] | NDArray[np.bool_]


@dataclass(frozen=True)
class RaggedBytes:
    """Texts of bytes, such as encoded crops.

    Attributes
    ----------
    values
        uint8, all of them one after the other.
    bounds
        int64 (n, 2), where each begins and ends.
    """

    values: NDArray[np.uint8]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds)

    @overload
    def __getitem__(self, row: int) -> bytes: ...

    @overload
    def __getitem__(self, row: _Rows) -> RaggedBytes: ...

    def __getitem__(self, row: int | _Rows) -> bytes | RaggedBytes:
        """Give one value, or choose some by position or mask without reading them."""
        if isinstance(row, np.ndarray):
            return RaggedBytes(self.values, self.bounds[row])
        start, stop = self.bounds[row]
        return self.values[start:stop].tobytes()


@dataclass(frozen=True)
class RaggedMaps:
    """Raw maps, each with its own grid.

    Attributes
    ----------
    values
        float32, all of them flat, one after the other.
    bounds
        int64 (n, 2), where each begins and ends.
    shapes
        int64 (n, d), its grid.
    """

    values: NDArray[np.float32]
    bounds: NDArray[np.int64]
    shapes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds)

    @overload
    def __getitem__(self, row: int) -> NDArray[np.float32]: ...

    @overload
    def __getitem__(self, row: _Rows) -> RaggedMaps: ...

    def __getitem__(self, row: int | _Rows) -> NDArray[np.float32] | RaggedMaps:
        """Give one map, or choose some by position or mask without reading them."""
        if isinstance(row, np.ndarray):
            return RaggedMaps(self.values, self.bounds[row], self.shapes[row])
        start, stop = self.bounds[row]
        return np.array(self.values[start:stop], dtype=np.float32).reshape(self.shapes[row])


def bounds_of(sizes: NDArray[np.int64], start: int = 0) -> NDArray[np.int64]:
    """Say where values of these sizes (n,) begin and end when one follows the other, (n, 2)."""
    ends = start + np.cumsum(sizes, dtype=np.int64)
    return np.stack([ends - sizes, ends], axis=1)
