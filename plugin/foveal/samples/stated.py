"""Readers of single keys of a ``preprocess`` section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foveal.errors import UsageError, nearest


def check_keys(mapping: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse unknown keys; the nearest known one is named."""
    known = list(known)
    for key in mapping:
        if key not in known:
            raise UsageError(f"Unknown key 'preprocess.{key}'", nearest(str(key), known))


def whole(value: object, key: str) -> int:
    """Read a whole number above 0."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise UsageError(f"preprocess.{key} is {value!r}", "Give a whole number above 0")


def sizes(value: object, key: str, axes: Sequence[str]) -> tuple[int, ...]:
    """Read one whole number per axis."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == len(axes):
        return tuple(whole(one, key) for one in value)
    raise UsageError(f"preprocess.{key} is {value!r}", f"Give [{', '.join(axes)}] or null")


def numbers(value: object, key: str) -> tuple[float, ...]:
    """Read one number, or one per channel."""
    items: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if items and all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        return tuple(float(item) for item in items)
    raise UsageError(f"preprocess.{key} is {value!r}", "Give a list of numbers, one per channel")
