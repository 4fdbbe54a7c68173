"""What an export says about each entry beside its crop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from foveal.library.schema import LATER
from foveal.samples.places import UNITS

#: Column of the names that entries have in an export.
KEY = "key"
_ARRAYS = ("crop", "map", "map_shape", "vector")


def described(entries: pa.Table) -> Iterator[dict[str, Any]]:
    """Give the plain fields of each entry: numbers, texts, the window as a list, metadata as a mapping.

    Spacing and band are told of samples whose steps have a size, so that all rows have the same fields.
    """
    for row in entries.drop_columns([*_ARRAYS, KEY]).to_pylist():
        left = () if len(row["window"]) // 2 in UNITS else LATER
        told = {name: value for name, value in row.items() if name not in left}
        yield {**told, "metadata": dict(row["metadata"])}


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Write the fields so that each fits one cell: lists and mappings as JSON."""
    return {
        name: json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value
        for name, value in fields.items()
    }
