"""Options of methods, checked."""

from __future__ import annotations

from collections.abc import Iterable

from foveal.errors import UsageError, nearest


def at_least(name: str, value: float | None, least: float) -> None:
    """Raise a UsageError where an option is below what makes sense; None stands for the default."""
    if value is not None and not value >= least:
        raise UsageError(f"Option {name!r} is {value}", f"Give {least} or more")


def within(name: str, value: float, least: float, most: float) -> None:
    """Raise a UsageError where an option is outside of its range."""
    if not least <= value <= most:
        raise UsageError(f"Option {name!r} is {value}", f"Give {least} to {most}")


def one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise a UsageError where an option is none of the known words; the nearest is named."""
    choices = list(known)
    if value not in choices:
        raise UsageError(f"Option {name!r} is {value!r}", nearest(value, choices))
