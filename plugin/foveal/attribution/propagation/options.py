"""Checks of the methods' options, in words that name the option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from foveal.errors import UsageError, nearest

_T = TypeVar("_T")


def check_at_least(name: str, value: float, least: float) -> None:
    """Raise a UsageError where a number is below its least value, or no number."""
    if not value >= least:
        raise UsageError(
            f"Option {name}={value:g} is below {least:g}", f"Give {name} a value from {least:g} up"
        )


def choose(name: str, value: str, table: Mapping[str, _T]) -> _T:
    """Look an option's value up in a table; raise a UsageError with the nearest where it is not there."""
    if value not in table:
        raise UsageError(f"Option {name}={value!r} is not known", nearest(value, table, limit=len(table)))
    return table[value]
