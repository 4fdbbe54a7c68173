"""Regions of interest: where in each sample the experts say that the outcome lies."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError

#: Per sample name its boxes, int64 (k, 4): y0, x0, y1, x1 in the original sample, half-open.
Rois = Mapping[str, NDArray[np.int64]]

_EDGES = ("y0", "x0", "y1", "x1")
_HEADER = ("path", *_EDGES)
_MEND = f"Write a CSV file with the columns {','.join(_HEADER)}, one row per region, pixels of the original"


def read_rois(path: Path) -> Rois:
    """Read a table of regions.

    Parameters
    ----------
    path
        CSV with the columns path, y0, x0, y1, x1: a sample as DATA named it when it was collected, and a
        half-open box in it; a sample may have several.

    Raises
    ------
    UsageError
        If the file cannot be read, lacks a column, or has a row that is no box.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            table = csv.DictReader(stream)
            missing = [name for name in _HEADER if name not in (table.fieldnames or ())]
            rows = [] if missing else list(table)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The regions in {path} cannot be read ({error})", _MEND) from error
    if missing:
        raise UsageError(f"The regions in {path} lack the column {missing[0]!r}", _MEND)
    return _gathered(rows, path)


def _gathered(rows: Sequence[Mapping[str, str]], path: Path) -> Rois:
    boxes: dict[str, list[list[int]]] = defaultdict(list)
    for number, row in enumerate(rows, start=2):
        boxes[row["path"]].append(_box(row, f"{path}, line {number}"))
    return {name: np.array(own, dtype=np.int64) for name, own in boxes.items()}


def _box(row: Mapping[str, str], where: str) -> list[int]:
    try:
        y0, x0, y1, x1 = box = [int(row[edge]) for edge in _EDGES]
    except (TypeError, ValueError):
        told = ",".join(str(row[edge]) for edge in _EDGES)
        raise UsageError(f"{where}: {told} is no box of four whole numbers", _MEND) from None
    if min(y0, x0) < 0 or y0 >= y1 or x0 >= x1:
        told = ",".join(map(str, box))
        raise UsageError(f"{where}: the box {told} is empty or begins outside the sample", _MEND)
    return box


def require_known(rois: Rois, names: Collection[str]) -> None:
    """Refuse regions of other samples than those of the library: they would silently count for nothing.

    Raises
    ------
    UsageError
        If no region belongs to a sample of the library.
    """
    if rois and not set(rois) & set(names):
        raise UsageError(
            f"None of the {len(rois)} samples with regions of interest is in the library, which calls them "
            f"{min(names)!r} and the like",
            "Name samples as they were named when they were collected",
        )
