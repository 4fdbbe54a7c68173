"""How drawn a facet looks beside other windows: flat, straight, saturated, sharp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, reduce

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import Signal, superiority, those
from foveal_audit.judgement.signals.question import Question
from foveal_audit.spans import FULL, Span
from foveal_audit.windows import Windows

#: Levels of a colour that count as the same, slope of a stroke, and degrees around upright that count as
#: such.
_LEVELS, _STROKE, _UPRIGHT = 24, 0.12, 8.0

_SMALLEST = 4
#: Channels of a trace that are looked at, evenly spaced: each by itself, as they are no colours.
_LEADS = 8


@dataclass(frozen=True)
class Drawn:
    """A crop (C, *s) in 0 to 1, and what several looks need of it."""

    crop: NDArray[np.float32]

    @cached_property
    def grey(self) -> NDArray[np.float32]:
        """Its brightness (*s)."""
        return np.asarray(self.crop.mean(axis=0))

    @cached_property
    def slopes(self) -> tuple[NDArray[np.float32], ...]:
        """How far its brightness rises along each axis (downwards and to the right), (*s) each."""
        found = np.gradient(self.grey)
        return tuple(map(np.asarray, found if self.grey.ndim > 1 else [found]))

    @cached_property
    def strength(self) -> NDArray[np.float32]:
        """How steep it is, (*s)."""
        return np.asarray(reduce(np.hypot, self.slopes) if self.grey.ndim > 1 else np.abs(self.slopes[0]))


#: One number per crop.
Look = Callable[[Drawn], float]


def flatness(one: Drawn) -> float:
    """Share of neighbouring pixels of one and the same colour."""
    same = [
        (np.abs(np.diff(one.crop, axis=axis)) < 1.5 / 255).all(axis=0).mean()
        for axis in range(1, one.crop.ndim)
    ]
    return float(np.mean(same))


def fewness(one: Drawn) -> float:
    """Share of the pixels that have one of the four commonest colours."""
    levels = np.round(one.crop[:3] * (_LEVELS - 1)).astype(np.int64)
    powers = _LEVELS ** np.arange(len(levels)).reshape(-1, *[1] * (levels.ndim - 1))
    numbers = (levels * powers).sum(axis=0)
    counts = np.unique(numbers, return_counts=True)[1]
    return float(np.sort(counts)[-4:].sum() / numbers.size)


def saturation(one: Drawn) -> float:
    """Share of the pixels at the lower or upper end of the scale."""
    return float(((one.crop <= 0.04) | (one.crop >= 0.96)).all(axis=0).mean())


def strokes(one: Drawn) -> float:
    """Share of the pixels on a steep slope."""
    return float((one.strength > _STROKE).mean())


def uprightness(one: Drawn) -> float:
    """Share of the slopes that go along an axis: edges that are level or upright."""
    if len(one.slopes) == 2:
        turn = np.degrees(np.arctan2(*one.slopes)) % 90
        upright = np.minimum(turn, 90 - turn) <= _UPRIGHT
    else:
        upright = np.max(np.abs(one.slopes), axis=0) >= np.cos(np.radians(_UPRIGHT)) * one.strength
    return float(one.strength[upright].sum() / max(float(one.strength.sum()), 1e-6))


def sharpness(one: Drawn) -> float:
    """Energy of the finest differences beside that of all contrast."""
    grey, inner = one.grey, (slice(1, -1),) * one.grey.ndim
    fine = 2 * grey.ndim * grey[inner]
    for axis in range(grey.ndim):
        for beside in (slice(None, -2), slice(2, None)):
            fine = fine - grey[(*inner[:axis], beside, *inner[axis + 1 :])]
    return float((fine**2).mean() / max(float(grey.var()), 1e-4))


def two_tones(one: Drawn) -> float:
    """Sarle's bimodality of the brightness: 1 for two tones, 5/9 for evenly spread ones."""
    grey = one.grey.ravel()
    off = grey - grey.mean()
    squares = off * off
    spread = float(squares.mean())
    if spread < 1e-6:
        return 0.0
    skew = float((squares * off).mean()) / spread**1.5
    kurtosis = float((squares * squares).mean()) / spread**2
    return float((skew**2 + 1) / kurtosis)


def contrast(one: Drawn) -> float:
    """Spread of the brightness."""
    return float(one.grey.std())


LOOKS: Mapping[str, Look] = {
    one.__name__: one
    for one in (flatness, fewness, saturation, strokes, uprightness, sharpness, two_tones, contrast)
}


#: What is no look of a trace: its slopes have a sign and no direction.
_NOT_OF_TRACES = frozenset({"uprightness"})


def looks_of(axes: int) -> Mapping[str, Look]:
    """Give the looks that crops of some number of axes have."""
    return {name: look for name, look in LOOKS.items() if axes > 1 or name not in _NOT_OF_TRACES}


def crops_of(windows: Windows, span: Span) -> list[NDArray[np.float32]]:
    """Decode crops at their own size, float32 (C, *s) in 0 to 1."""
    return [np.moveaxis(span.shares(windows.crop(row)), -1, 0) for row in range(len(windows))]


def described(windows: Windows, span: Span = FULL) -> NDArray[np.float64]:
    """Describe windows by all looks, (n, looks); crops of fewer than 4 pixels look like nothing at all."""
    own = looks_of(windows.axes).values()
    rows = [
        np.mean([[look(part) for look in own] for part in _looked_at(crop)], axis=0)
        for crop in crops_of(windows, span)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(own))


def _looked_at(crop: NDArray[np.float32]) -> list[Drawn]:
    """Give a crop as it is looked at: whole, or of a trace some channels one by one."""
    if min(crop.shape[1:]) < _SMALLEST:
        return [Drawn(np.zeros((1, *[_SMALLEST] * (crop.ndim - 1)), dtype=np.float32))]
    if crop.ndim > 2:
        return [Drawn(crop)]
    leads = np.unique(np.linspace(0, len(crop) - 1, min(_LEADS, len(crop))).astype(np.int64))
    return [Drawn(crop[lead : lead + 1]) for lead in leads]


def looks(asked: Question) -> dict[str, Signal]:
    """Rank the facet's crops among those of other facets by every look.

    Returns
    -------
    0 to 1 each, .5 = as others; higher: rather drawn than seen.
    """
    # Own crops and others are seen on one scale: that of all training windows.
    around = asked.around.windows
    span = (asked.windows if around is None else around).span
    own, other = described(asked.closely, span), asked.of_pool("looks", partial(described, span=span))
    names = looks_of(asked.windows.axes)
    ranked = {f"drawn_{name}": superiority(own[:, k], other[:, k]) for k, name in enumerate(names)}
    return those(**ranked)
