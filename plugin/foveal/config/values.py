"""Readers of single settings: each takes what YAML or an environment variable gave and checks it once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from foveal.errors import UsageError, nearest
from foveal.features import FeatureName

RuleKind = Literal["nonzero", "percentile", "layer-max"]
RULES: tuple[RuleKind, ...] = ("nonzero", "percentile", "layer-max")

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)}


@dataclass(frozen=True)
class Rule:
    """When a feature counts as present (US 12,062,225 B2, S3).

    Attributes
    ----------
    kind
        ``nonzero``: the node is on. ``percentile``: it is above the given percentile of its own values.
        ``layer-max``: it is the largest of its layer.
    percentile
        Between 0 and 100; only ``percentile`` reads it.
    """

    kind: RuleKind = "percentile"
    percentile: float = 90.0

    def to_value(self) -> str | dict[str, float]:
        """Write the rule as the configuration does."""
        return {"percentile": self.percentile} if self.kind == "percentile" else self.kind


def features(value: object, where: str) -> Literal["auto"] | tuple[str, ...]:
    """Read ``auto`` or a list of feature names."""
    listed = names(value, where)
    if listed == ("auto",):
        return "auto"
    if not listed:
        raise UsageError(f"{where} is empty", "Give 'auto' or a list such as ['fc1', 'class:*']")
    return tuple(str(FeatureName.parse(name)) for name in listed)


def method(value: object, where: str) -> str:
    """Read the name of a registered attribution method."""
    from foveal.attribution import get_method  # noqa: PLC0415 - brings torch, which reading settings need not

    return get_method(text(value, where)).name


def rule(value: object, where: str) -> Rule:
    """Read ``nonzero``, ``layer-max``, ``percentile``, ``percentile:95`` or ``{percentile: 95}``."""
    if isinstance(value, Mapping) and len(value) == 1:
        kind, number = next(iter(value.items()))
    else:
        kind, _, number = text(value, where).partition(":")
    if kind not in RULES:
        raise UsageError(f"{where}: unknown rule {kind!r}", nearest(str(kind), RULES))
    if kind != "percentile":
        return Rule(kind=cast("RuleKind", kind))
    return Rule(percentile=_between(90.0 if number == "" else number, f"{where}.percentile", 0, 100))


def window(value: object, where: str) -> Literal["auto"] | int | tuple[int, ...]:
    """Read ``auto``, a side in the sample's steps, or one per axis."""
    items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if items == ["auto"]:
        return "auto"
    sides = list(items) if isinstance(items, Sequence) else [items]
    try:
        numbers = [whole(side, where) for side in sides]
    except UsageError:
        numbers = []
    if len(numbers) not in (1, 2, 3) or min(numbers) < 2:
        raise UsageError(f"{where} is {value!r}", "Give 'auto', a side of at least 2, or one side per axis")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def whole(value: object, where: str) -> int:
    """Read a whole number above 0."""
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return number
    raise UsageError(f"{where} is {value!r}", "Give a whole number above 0")


def count(value: object, where: str) -> int:
    """Read a whole number, 0 included."""
    return 0 if value in (0, "0") and not isinstance(value, bool) else whole(value, where)


def milliseconds(value: object, where: str) -> float:
    """Read a time in milliseconds, above 0."""
    number = _number(value)
    if number is None or not 0 < number < float("inf"):
        raise UsageError(f"{where} is {value!r}", "Give a number of milliseconds above 0")
    return number


def rate(value: object, where: str) -> float:
    """Read a share from 0 to 1, both included."""
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise UsageError(f"{where} is {value!r}", "Give a number from 0 to 1")
    return number


def size(value: object, where: str) -> int:
    """Read a number of bytes: ``2000000``, ``500MB`` (powers of 1000), ``2GiB`` (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    parts = (
        re.fullmatch(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([a-zA-Z]*)\s*", value)
        if isinstance(value, str)
        else None
    )
    unit = _UNITS.get(parts[2].lower()) if parts else None
    count = int(float(parts[1]) * unit) if parts and unit else 0
    if count <= 0:
        raise UsageError(f"{where} is {value!r}", "Give a number of bytes such as 500MB or 2GiB")
    return count


def durability(value: object, where: str) -> str:
    """Read ``process`` or ``power``."""
    choices = ("process", "power")
    if value not in choices:
        raise UsageError(f"{where} is {value!r}", nearest(str(value), choices))
    return str(value)


def burnt_in_text(value: object, where: str) -> str:
    """Read ``keep`` or ``mask``."""
    choices = ("keep", "mask")
    if value not in choices:
        raise UsageError(f"{where} is {value!r}", nearest(str(value), choices))
    return str(value)


def folder(value: object, where: str) -> str | None:
    """Read a folder's path; None where nothing is said."""
    return None if value is None else text(value, where)


def text(value: object, where: str) -> str:
    """Read a text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise UsageError(f"{where} is {value!r}", "Give a text")


def names(value: object, where: str) -> tuple[str, ...]:
    """Read a list of names, in YAML's form or separated by commas; each counts once."""
    items: Any = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise UsageError(f"{where} is {value!r}", "Give a list of names")
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def _between(value: object, where: str, low: float, high: float) -> float:
    number = _number(value)
    if number is None or not low < number < high:
        raise UsageError(f"{where} is {value!r}", f"Give a number between {low:g} and {high:g}")
    return number


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None
