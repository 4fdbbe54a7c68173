"""Small drawings made of HTML and CSS: where an effect, its interval and its control lie on one axis.

Positions are whole percents, each a class of the style sheet, so that the page needs no ``style`` attribute
and its content security policy can forbid them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveal_audit.bundle.schema import Effect


@dataclass(frozen=True)
class Bar:
    """Whole percents of the axis: where things begin and how wide they are; and the values at its ends."""

    zero: int
    left: int
    width: int
    estimate: int
    control: int | None
    ends: tuple[float, float]


def bar(effect: Effect, axis: tuple[float, float]) -> Bar:
    """Place one effect on an axis that holds it."""
    low, high = (_place(value, axis) for value in (effect.low, effect.high))
    return Bar(
        zero=_place(0, axis),
        left=low,
        width=max(1, high - low),
        estimate=_place(effect.estimate, axis),
        control=None if effect.controls is None else _place(effect.controls, axis),
        ends=axis,
    )


#: Effects nearer to 0 are written as 0.00; their axis has 0 in its middle and ends that can be told apart.
_NOTHING, _AROUND = 0.005, 0.05


def axis_of(effects: Sequence[Effect]) -> tuple[float, float]:
    """Find the axis that holds 0 and everything about these effects, with a little room."""
    values = [0.0]
    for effect in effects:
        values += [effect.low, effect.high, effect.estimate, effect.controls or 0.0]
    low, high = min(values), max(values)
    if max(-low, high) < _NOTHING:
        return -_AROUND, _AROUND
    room = 0.04 * (high - low)
    return low - room, high + room


def percent_classes() -> str:
    """Write the style rules ``.at-N`` (left) and ``.wide-N`` (width) for every whole percent."""
    return "".join(f".at-{n}{{left:{n}%}}.wide-{n}{{width:{n}%}}" for n in range(101)) + "\n"


def _place(value: float, axis: tuple[float, float]) -> int:
    low, high = axis
    return round(100 * (value - low) / (high - low))
