"""The truth on disk: a folder with a mask per sample, or a table of boxes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.samples.images import SUFFIXES, read_image

Mask = NDArray[np.bool_]

#: Gives the mask of a sample, by its name and the shape (*S) it must have; None where nothing is known of it.
TruthOf: TypeAlias = Callable[[str, tuple[int, ...]], Mask | None]

#: Column names by which boxes are known: first and last corner, the last one outside the box.
_CORNERS = (("y0", "x0", "y1", "x1"), ("ymin", "xmin", "ymax", "xmax"))


def read_truth(path: Path, label: str | None = None) -> TruthOf:
    """Open a truth.

    Parameters
    ----------
    path
        A folder with a mask for each sample, under the sample's relative path with any image suffix or
        ``.npy``; every value but 0 belongs to the object. Or a CSV with the columns path, y0, x0, y1, x1
        (or ymin, xmin, ymax, xmax), in pixels and half-open, and perhaps label; a sample may have many boxes.
    label
        Take only the boxes of this label.

    Raises
    ------
    UsageError
        If there is no truth at the path, or the table is wrong (its row is named).
    """
    if path.is_dir():
        return _masks(path)
    if path.is_file():
        return _boxes(path, label)
    raise UsageError(f"Truth '{path}' does not exist", "Give a folder of masks or a CSV with boxes")


def _masks(folder: Path) -> TruthOf:
    files: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in {*SUFFIXES, ".npy"} and file.is_file():
            files[_without_suffix(file.relative_to(folder).as_posix())].append(file)
    if not files:
        raise UsageError(
            f"Folder '{folder}' holds no mask", "Give images or .npy files named like the samples"
        )

    def of(name: str, shape: tuple[int, ...]) -> Mask | None:
        own = files.get(_without_suffix(name), [])
        if len(own) > 1:
            raise UsageError(
                f"Sample {name!r} has the masks '{own[0].name}' and '{own[1].name}'", "Leave one of them"
            )
        return _read_mask(own[0], name, shape) if own else None

    return of


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _read_mask(file: Path, name: str, shape: tuple[int, ...]) -> Mask:
    values = _read_npy(file) if file.suffix.lower() == ".npy" else _colours(read_image(file))
    if values.shape != shape:
        raise UsageError(
            f"Mask '{file.name}' is {_sides(values.shape)}, its sample {name!r} is {_sides(shape)}",
            "Give masks as large as the samples",
        )
    return np.asarray(values != 0)


def _read_npy(file: Path) -> NDArray[np.generic]:
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"Mask '{file}' cannot be read: {error}", "Save it with numpy.save") from None


def _colours(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Merge the colours (H, W, C) of a mask; alpha is no colour."""
    return np.asarray(pixels[..., :3].max(axis=-1))


def _sides(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


_Box: TypeAlias = tuple[int, int, int, int]


def _boxes(table: Path, label: str | None) -> TruthOf:
    boxes: Mapping[str, list[_Box]] = _read_boxes(table, label)

    def of(name: str, shape: tuple[int, ...]) -> Mask | None:
        own = boxes.get(name) or boxes.get(PurePosixPath(name).name)
        return _fill(own, name, shape) if own else None

    return of


def _fill(boxes: Sequence[_Box], name: str, shape: tuple[int, ...]) -> Mask:
    if len(shape) != 2:
        raise UsageError(f"Sample {name!r} has {len(shape)} axes, boxes have 2", "Give masks as .npy files")
    mask = np.zeros(shape, dtype=np.bool_)
    for y0, x0, y1, x1 in boxes:
        mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return mask


def _read_boxes(table: Path, label: str | None) -> dict[str, list[_Box]]:
    boxes: dict[str, list[_Box]] = defaultdict(list)
    labels: set[str] = set()
    for number, row, corners in _rows(table):
        labels.add(row.get("label", ""))
        if label is None or row.get("label") == label:
            boxes[row["path"]].append(_box(table, number, row, corners))
    if not boxes:
        raise UsageError(
            f"Table '{table}' holds no box" + (f" of label {label!r}" if label else ""),
            f"Its labels are {', '.join(sorted(filter(None, labels))) or 'not given'}",
        )
    return dict(boxes)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str], tuple[str, ...]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            corners = _corner_columns(table, reader.fieldnames or [])
            for number, row in enumerate(reader, start=2):
                yield number, row, corners
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Table '{table}' is not CSV text: {error}", "Save it as CSV in UTF-8") from None


def _corner_columns(table: Path, columns: Sequence[str]) -> tuple[str, ...]:
    for corners in _CORNERS:
        if {"path", *corners} <= set(columns):
            return corners
    raise UsageError(
        f"Table '{table}' has the columns {', '.join(columns) or 'none'}", "Name them path, y0, x0, y1, x1"
    )


def _box(table: Path, number: int, row: Mapping[str, str], corners: Sequence[str]) -> _Box:
    try:
        y0, x0, y1, x1 = (round(float(row[corner])) for corner in corners)
    except (ValueError, OverflowError):
        raise UsageError(
            f"Table '{table}' row {number} has a corner that is no number", "Give pixels"
        ) from None
    if y0 >= y1 or x0 >= x1:
        raise UsageError(
            f"Table '{table}' row {number} has an empty box", "Give first and last corner in order"
        )
    return y0, x0, y1, x1
