"""``folders``: a folder per feature, a crop per entry, and one table of what is known of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from foveal.library.exporting.describing import KEY, described, flat
from foveal.library.exporting.naming import file_name
from foveal.library.exporting.packing import packed
from foveal.samples.arrays import crop_suffix

TABLE = "metadata.csv"


def write_folders(tables: Iterable[pa.Table], folder: Path, name: str) -> None:  # noqa: ARG001 - one of a table
    """Write ``FEATURE/ID.png`` (``.npy`` of traces) and ``metadata.csv``, whose ``file_name`` leads there."""
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        table: csv.DictWriter[str] | None = None
        for entries in tables:
            rows = zip(described(entries), entries[KEY], entries["crop"], strict=True)
            for fields, key, crop in rows:
                content = crop.as_py()
                path = f"{file_name(fields['feature'])}/{key}{crop_suffix(content)}"
                row = {"file_name": path, **flat(fields)}
                table = table or _begun(csv.DictWriter(file, list(row), lineterminator="\n"))
                table.writerow(row)
                _write(folder / path, packed(content))


def _begun(table: csv.DictWriter[str]) -> csv.DictWriter[str]:
    table.writeheader()
    return table


def _write(path: Path, crop: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(crop)
