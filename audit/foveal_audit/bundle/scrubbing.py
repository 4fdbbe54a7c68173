"""Names of erased samples out of tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from foveal.library.redactors import Erased

_ERASED = "[erased]"
#: A shorter name may be part of any word.
_SHORTEST = 8
#: Columns of the worklist that hold names, separated by spaces: of which source, those of a gap apart.
_NAMING = {"like": {"mask": "training", "even_out": "training"}, "nearest_training": {}}
_OF_A_GAP = {"like": "production", "nearest_training": "training"}

Row = Mapping[str, str]


def coverage_left(rows: Iterable[Row], erased: Erased) -> Iterator[Row]:
    """Leave out the rows of samples that the library does not hold any more."""
    return (row for row in rows if erased.holds(row["source"], row["sample"]))


def training_left(rows: Iterable[Row], erased: Erased) -> Iterator[Row]:
    """Leave out the rows of training samples that the library does not hold any more."""
    return (row for row in rows if erased.holds("training", row["sample"]))


def worklist_left(rows: Iterable[Row], erased: Erased) -> Iterator[Row]:
    """Take erased names out of the rows that give them as examples: what is to be done stays true."""
    names = telling(erased)
    for row in rows:
        left = {column: _examples_left(row, column, erased) for column in _NAMING}
        yield {**row, "what": scrubbed(row["what"], names), **left}


def _examples_left(row: Row, column: str, erased: Erased) -> str:
    """Give the examples that the library still holds; a name may hold spaces, as what parts them."""
    source, parts = _NAMING[column].get(row["action"], _OF_A_GAP[column]), row[column].split(" ")
    left, start = [], 0
    while start < len(parts):
        names = (" ".join(parts[start:stop]) for stop in range(len(parts), start, -1))
        name = next((name for name in names if erased.holds(source, name)), None)
        left += [] if name is None else [name]
        start += 1 if name is None else name.count(" ") + 1
    return " ".join(left)


def telling(erased: Erased) -> set[str]:
    """Give the names that are long enough to be looked for inside sentences."""
    return {name for name in erased.names if len(name) >= _SHORTEST}


def scrubbed(value: Any, names: set[str]) -> Any:  # noqa: ANN401 - any JSON
    """Take names out of sentences."""
    if isinstance(value, dict):
        return {key: scrubbed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [scrubbed(one, names) for one in value]
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, _ERASED)
    return value
