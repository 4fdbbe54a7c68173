"""Regions of interest: where in each sample the experts say that the outcome lies."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal_audit.bundle.summary import plural

#: Per sample name its boxes, int64 (k, 2 axes): all starts, then all ends in the original sample, half-open.
Rois = Mapping[str, NDArray[np.int64]]

#: Columns of a region, by the number of axes of the samples.
_EDGES: Mapping[int, tuple[str, ...]] = {
    1: ("t0", "t1"),
    2: ("y0", "x0", "y1", "x1"),
    3: ("z0", "y0", "x0", "z1", "y1", "x1"),
}
_COUNTED = {2: "two", 4: "four", 6: "six"}
_STEPS = {1: "steps", 2: "pixels", 3: "voxels"}


def _mend(axes: int) -> str:
    columns = ",".join(("path", *_EDGES[axes]))
    return f"Write a CSV file with the columns {columns}, one row per region, {_STEPS[axes]} of the original"


def read_rois(path: Path) -> Rois:
    """Read a table of regions.

    Parameters
    ----------
    path
        CSV with the columns path, y0, x0, y1, x1 (t0, t1 of traces; z0, y0, x0, z1, y1, x1 of volumes): a
        sample as DATA named it when it was collected, and a half-open box in it; a sample may have several.

    Raises
    ------
    UsageError
        If the file cannot be read, lacks a column, or has a row that is no box.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            table = csv.DictReader(stream)
            axes = _axes(table.fieldnames or ())
            missing = [name for name in ("path", *_EDGES[axes]) if name not in (table.fieldnames or ())]
            rows = [] if missing else list(table)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The regions in {path} cannot be read ({error})", _mend(2)) from error
    if missing:
        raise UsageError(f"The regions in {path} lack the column {missing[0]!r}", _mend(axes))
    return _gathered(rows, path, axes)


def _axes(columns: Collection[str]) -> int:
    """Say of which samples a table speaks: of the most axes whose columns it begins to name."""
    return 3 if "z0" in columns else 1 if "t0" in columns else 2


def _gathered(rows: Sequence[Mapping[str, str]], path: Path, axes: int) -> Rois:
    boxes: dict[str, list[list[int]]] = defaultdict(list)
    for number, row in enumerate(rows, start=2):
        boxes[row["path"]].append(_box(row, f"{path}, line {number}", axes))
    return {name: np.array(own, dtype=np.int64) for name, own in boxes.items()}


def _box(row: Mapping[str, str], where: str, axes: int) -> list[int]:
    edges = _EDGES[axes]
    try:
        box = [int(row[edge]) for edge in edges]
    except (TypeError, ValueError):
        told = ",".join(str(row[edge]) for edge in edges)
        count = _COUNTED[len(edges)]
        raise UsageError(f"{where}: {told} is no box of {count} whole numbers", _mend(axes)) from None
    starts, ends = box[:axes], box[axes:]
    if min(starts) < 0 or any(start >= end for start, end in zip(starts, ends, strict=True)):
        told = ",".join(map(str, box))
        raise UsageError(f"{where}: the box {told} is empty or begins outside the sample", _mend(axes))
    return box


def require_known(rois: Rois, names: Collection[str], axes: int = 2) -> None:
    """Refuse regions of other samples than those of the library: they would silently count for nothing.

    Parameters
    ----------
    rois
        As :func:`read_rois` gives them.
    names, axes
        Of the library's samples.

    Raises
    ------
    UsageError
        If no region belongs to a sample of the library, or regions are of another kind of sample.
    """
    told = {boxes.shape[1] // 2 for boxes in rois.values()} - {axes}
    if told:
        raise UsageError(
            f"The regions of interest have {plural(told.pop(), 'axis', 'axes')}, the library's samples have "
            f"{axes}",
            _mend(axes),
        )
    if rois and not set(rois) & set(names):
        raise UsageError(
            f"None of the {len(rois)} samples with regions of interest is in the library, which calls them "
            f"{min(names)!r} and the like",
            "Name samples as they were named when they were collected",
        )
