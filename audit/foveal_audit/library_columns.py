"""Columns of a library's tables as the audit computes on them: boxes, crops, maps, vectors, bands."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from foveal_audit.ragged import RaggedBytes, RaggedMaps, bounds_of


def boxes_of(windows: list[list[int]]) -> NDArray[np.int64]:
    """Give windows as rows; where there are none they might be of pictures."""
    return np.array(windows, dtype=np.int64).reshape(len(windows), -1 if windows else 4)


def crops_of(table: pa.Table) -> RaggedBytes:
    """Give the bytes of every crop."""
    crops = table["crop"].to_pylist()
    sizes = np.array([len(crop) for crop in crops], dtype=np.int64)
    return RaggedBytes(np.frombuffer(b"".join(crops), dtype=np.uint8), bounds_of(sizes))


def maps_of(table: pa.Table) -> RaggedMaps:
    """Give the map of every crop."""
    values, sizes = _lists(table["map"])
    shapes = table["map_shape"].to_pylist()
    grids = np.array(shapes, dtype=np.int64).reshape(len(shapes), -1)
    return RaggedMaps(values, bounds_of(sizes), grids)


def vectors_of(table: pa.Table) -> NDArray[np.float32]:
    """Give the vectors as rows, all of the same length."""
    values, sizes = _lists(table["vector"])
    return values.reshape(len(sizes), int(sizes.max(initial=0)))


def bands_of(table: pa.Table) -> NDArray[np.float64] | None:
    """Give the bands as rows, not a number where an entry has none; None where no entry has one."""
    column = table["band"]
    if column.null_count == len(column):
        return None
    nothing = (np.nan, np.nan)
    return np.array([band or nothing for band in column.to_pylist()], dtype=np.float64)


def spacings_of(table: pa.Table) -> NDArray[np.float64] | None:
    """Give the spacings as rows, not a number where a sample has none; None where no sample has one."""
    column = table["spacing"]
    if column.null_count == len(column):
        return None
    found = column.to_pylist()
    axes = next(len(one) for one in found if one)
    unknown = (np.nan,) * axes
    return np.array([one if one and len(one) == axes else unknown for one in found], dtype=np.float64)


def activations_of(table: pa.Table) -> dict[str, NDArray[np.float32]]:
    """Give per layer that all samples have the values of every node, (n, nodes)."""
    records = [dict(pairs) for pairs in table["activations"].to_pylist()]
    shared = set.intersection(*(set(record) for record in records)) if records else set()
    return {
        layer: np.array([record[layer] for record in records], dtype=np.float32) for layer in sorted(shared)
    }


def _lists(column: pa.ChunkedArray) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give all values of a column of lists, one list after the other, and the length of each."""
    values = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    sizes = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    empty = np.zeros(0, dtype=np.float32)
    return (
        np.concatenate([empty, *values]).astype(np.float32, copy=False),
        np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int64, copy=False),
    )
