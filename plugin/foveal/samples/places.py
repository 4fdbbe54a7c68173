"""Places in words: where in a sample a window lies, in seconds or millimetres, and at which frequencies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: The unit of a sample's steps, by its number of axes; pictures have none.
UNITS: Mapping[int, str] = {1: "s", 3: "mm"}
#: Names of the axes by their number, before steps and before lengths.
_STEPS: Mapping[int, tuple[str, ...]] = {
    1: ("steps",),
    2: ("rows", "columns"),
    3: ("slices", "rows", "columns"),
}
_AXES: Mapping[int, tuple[str, ...]] = {1: ("",), 3: ("z ", "y ", "x ")}
#: Seconds below which milliseconds are told, and the Hz from which kHz are.
_SHORT, _HIGH = 0.1, 1000.0
#: Places are told with so many decimals at most.
_MOST_DECIMALS = 6


def known_spacing(spacing: Sequence[float], axes: int) -> tuple[float, ...] | None:
    """Give the size of one step per axis, where it is known and samples of so many axes have one.

    Parameters
    ----------
    spacing
        As a file states it: none, or a number per axis.
    axes
        Number of axes of the sample.

    Returns
    -------
    tuple or None
        Seconds or millimetres, see :data:`UNITS`; None where a number is missing, not finite or not above 0.
    """
    told = tuple(float(step) for step in spacing)
    whole = len(told) == axes and all(math.isfinite(step) and step > 0 for step in told)
    return told if whole and axes in UNITS else None


def place(
    window: Sequence[int],
    spacing: Sequence[float] | None = None,
    band: Sequence[float] | None = None,
) -> str:
    """Say where a window lies: ``0.42\u20130.61 s, 1.9\u20132.3 kHz``.

    Parameters
    ----------
    window
        Half-open, all starts, then all ends, in steps.
    spacing
        Size of one step per axis; where it is not known, steps are told.
    band
        Lowest and highest frequency in Hz, where the evidence has any.
    """
    axes = len(window) // 2
    edges = list(zip(window[:axes], window[axes:], strict=True))
    said = _in_steps(edges) if not spacing else _in_units(edges, spacing)
    return said if not band else f"{said}, {hertz(band)}"


def size(window: Sequence[int], spacing: Sequence[float]) -> str:
    """Say how large a window is: ``0.19 s``, ``12 \u00d7 24 \u00d7 24 mm``."""
    axes = len(window) // 2
    edges = zip(window[:axes], window[axes:], spacing, strict=True)
    lengths = [(stop - start) * step for start, stop, step in edges]
    scale, unit = _scale(max(lengths), UNITS[axes])
    told = " \u00d7 ".join(_number(one * scale, _decimals(one * scale)) for one in lengths)
    return f"{told} {unit}"


def hertz(band: Sequence[float]) -> str:
    """Say from which frequency to which one: ``800\u2013950 Hz``, ``1.9\u20132.3 kHz``."""
    low, high = band
    scale, unit, digits = (1e-3, "kHz", 1) if high >= _HIGH else (1.0, "Hz", 2)
    return f"{_span(low * scale, high * scale, digits)} {unit}"


def _in_steps(edges: Sequence[tuple[int, int]]) -> str:
    names = _STEPS[len(edges)]
    return ", ".join(f"{name} {start}\u2013{stop}" for name, (start, stop) in zip(names, edges, strict=True))


def _in_units(edges: Sequence[tuple[int, int]], spacing: Sequence[float]) -> str:
    lengths = [(start * step, stop * step) for (start, stop), step in zip(edges, spacing, strict=True)]
    scale, unit = _scale(max(stop for _, stop in lengths), UNITS[len(edges)])
    spans = (_span(start * scale, stop * scale) for start, stop in lengths)
    told = ", ".join(f"{name}{span}" for name, span in zip(_AXES[len(edges)], spans, strict=True))
    return f"{told} {unit}"


def _scale(longest: float, unit: str) -> tuple[float, str]:
    """Choose the unit that lengths are told in, and what they are multiplied by."""
    return (1000.0, "ms") if unit == "s" and longest < _SHORT else (1.0, unit)


def _span(start: float, stop: float, digits: int = 2) -> str:
    decimals = _decimals(stop - start, digits)
    return f"{_number(start, decimals)}\u2013{_number(stop, decimals)}"


def _decimals(size: float, digits: int = 2) -> int:
    """Count the decimals with which a length has so many digits that count."""
    return min(_MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(size)))) if size > 0 else 0


def _number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"
