"""Data sets on disk: a folder with one sub-folder per class, or a CSV manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from foveal.errors import UsageError, nearest
from foveal.records import SOURCES, Source
from foveal.samples.images import SUFFIXES
from foveal.samples.kinds import Kind

#: Columns of a manifest with a meaning of their own; every other column is metadata.
COLUMNS = ("path", "label", "source")


@dataclass(frozen=True)
class SampleFile:
    """One sample of a data set.

    Attributes
    ----------
    name
        The path as the data set gave it, relative; the sample's name in every record and report.
    path
        The absolute path of the file.
    label
        The class, where the data set tells it.
    source
        Where the sample came from, where the manifest tells it.
    metadata
        The manifest's other columns, empty cells left out.
    within
        Of a tile, the file that it is a part of.
    """

    name: str
    path: Path
    label: str | None = None
    source: Source | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    within: Path | None = None


def list_samples(data: Path, kind: Kind | None = None) -> list[SampleFile]:
    """List the samples of a data set, in a fixed order.

    A folder gives the files of its kind of sample (images where none is given), known by suffix, hidden ones
    left out, sorted by name; the first sub-folder on a file's way is its label, files at the top have none. A
    file is read as a CSV manifest with a ``path`` column (relative to the manifest), optional ``label`` and
    ``source``; its rows keep their order.

    Raises
    ------
    UsageError
        If `data` is missing, holds no such file, or the manifest is wrong (the row is named).
    """
    if data.is_dir():
        return _list_folder(data, kind.suffixes if kind else SUFFIXES)
    if data.is_file():
        return list(_read_manifest(data, folders=kind is not None and kind.folders))
    raise UsageError(f"Data '{data}' does not exist", "Give a folder of images or a CSV manifest")


def _list_folder(folder: Path, suffixes: frozenset[str]) -> list[SampleFile]:
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if _is_sample(path, folder, suffixes)
    )
    if not names:
        raise _empty(folder, suffixes)
    return [SampleFile(name, (folder / name).resolve(), _folder_label(name)) for name in names]


def _empty(folder: Path, suffixes: frozenset[str]) -> UsageError:
    """Say what a folder lacks: images in one word, other kinds by their suffixes."""
    if suffixes >= SUFFIXES:
        return UsageError(
            f"Folder '{folder}' holds no image",
            "Give a folder with images, or with one sub-folder of images per class",
        )
    return UsageError(
        f"Folder '{folder}' holds no file of {', '.join(sorted(suffixes))}",
        "Give a folder with samples, or with one sub-folder of samples per class",
    )


def _is_sample(path: Path, folder: Path, suffixes: frozenset[str]) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.name.lower().endswith(tuple(suffixes)) and path.is_file()


def _folder_label(name: str) -> str | None:
    first, separator, _ = name.partition("/")
    return first if separator else None


def _read_manifest(manifest: Path, *, folders: bool) -> Iterator[SampleFile]:
    seen: dict[tuple[str, str], int] = {}
    number = 1
    for number, row in enumerate(_rows(manifest), start=2):
        sample = _sample_of(manifest, number, row, folders=folders)
        key = (sample.name, sample.source or "")
        if key in seen:
            raise UsageError(
                f"Manifest '{manifest}' row {number} repeats {sample.name!r} of row {seen[key]}",
                "Name each sample once per source",
            )
        seen[key] = number
        yield sample
    if number == 1:
        raise UsageError(f"Manifest '{manifest}' holds no rows", "Add one row per sample")


def _rows(manifest: Path) -> Iterator[dict[str, str]]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            _check_columns(manifest, [name or "" for name in reader.fieldnames or []])
            for number, row in enumerate(reader, start=2):
                if None in row:
                    raise UsageError(
                        f"Manifest '{manifest}' row {number} has more cells than the header",
                        "Quote cells with commas",
                    )
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"Manifest '{manifest}' is not CSV text: {error}", "Save it as CSV in UTF-8"
        ) from None


def _check_columns(manifest: Path, columns: list[str]) -> None:
    if "path" not in columns:
        found = ", ".join(repr(name) for name in columns) or "none"
        raise UsageError(
            f"Manifest '{manifest}' has no 'path' column, its columns are {found}",
            "Name the column with the files 'path'",
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UsageError(
            f"Manifest '{manifest}' has the column {twice[0]!r} twice", "Give each column its own name"
        )


def _sample_of(manifest: Path, number: int, row: dict[str, str], *, folders: bool) -> SampleFile:
    name = row["path"].strip()
    if not name:
        raise UsageError(
            f"Manifest '{manifest}' row {number} has an empty 'path'", "Name the row's file or delete it"
        )
    path = manifest.parent / name
    if not (path.is_file() or (folders and path.is_dir())):
        raise UsageError(
            f"Manifest '{manifest}' row {number}: file '{name}' does not exist",
            "Write paths relative to the manifest",
        )
    metadata = {column: cell for column, cell in row.items() if column not in COLUMNS and column and cell}
    return SampleFile(
        name, path.resolve(), row.get("label") or None, _source(manifest, number, row), metadata
    )


def _source(manifest: Path, number: int, row: dict[str, str]) -> Source | None:
    text = (row.get("source") or "").strip()
    for source in SOURCES:
        if text == source:
            return source
    if text:
        raise UsageError(
            f"Manifest '{manifest}' row {number}: unknown source {text!r}", nearest(text, SOURCES)
        )
    return None
