"""What an export says about each entry beside its crop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

#: Column of the names that entries have in an export.
KEY = "key"
_ARRAYS = ("crop", "map", "map_shape", "vector")


def described(entries: pa.Table) -> Iterator[dict[str, Any]]:
    """Give the plain fields of each entry: numbers, texts, the window as a list, metadata as a mapping."""
    for row in entries.drop_columns([*_ARRAYS, KEY]).to_pylist():
        yield {**row, "metadata": dict(row["metadata"])}


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Write the fields so that each fits one cell: lists and mappings as JSON."""
    return {
        name: json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value
        for name, value in fields.items()
    }
