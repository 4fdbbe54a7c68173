"""How drawn a facet looks beside other windows: flat, straight, saturated, sharp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.nulls import Signal, superiority, those
from foveal_audit.judgement.signals.question import Question
from foveal_audit.windows import Windows

#: Levels of a colour that count as the same, slope of a stroke, and degrees around upright that count as
#: such.
_LEVELS, _STROKE, _UPRIGHT = 24, 0.12, 8.0

_SMALLEST = 4
_NOTHING: NDArray[np.float32] = np.zeros((1, 4, 4), dtype=np.float32)


@dataclass(frozen=True)
class Drawn:
    """A crop (C, h, w) in 0 to 1, and what several looks need of it."""

    crop: NDArray[np.float32]

    @cached_property
    def grey(self) -> NDArray[np.float32]:
        """Its brightness (h, w)."""
        return np.asarray(self.crop.mean(axis=0))

    @cached_property
    def slopes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How far its brightness rises downwards and to the right, (h, w) each."""
        down, right = map(np.asarray, np.gradient(self.grey))
        return down, right

    @cached_property
    def strength(self) -> NDArray[np.float32]:
        """How steep it is, (h, w)."""
        return np.asarray(np.hypot(*self.slopes))


#: One number per crop.
Look = Callable[[Drawn], float]


def flatness(one: Drawn) -> float:
    """Share of neighbouring pixels of one and the same colour."""
    same = [(np.abs(np.diff(one.crop, axis=axis)) < 1.5 / 255).all(axis=0).mean() for axis in (1, 2)]
    return float(np.mean(same))


def fewness(one: Drawn) -> float:
    """Share of the pixels that have one of the four commonest colours."""
    levels = np.round(one.crop[:3] * (_LEVELS - 1)).astype(np.int64)
    numbers = (levels * _LEVELS ** np.arange(len(levels))[:, None, None]).sum(axis=0)
    counts = np.unique(numbers, return_counts=True)[1]
    return float(np.sort(counts)[-4:].sum() / numbers.size)


def saturation(one: Drawn) -> float:
    """Share of the pixels at the lower or upper end of the scale."""
    return float(((one.crop <= 0.04) | (one.crop >= 0.96)).all(axis=0).mean())


def strokes(one: Drawn) -> float:
    """Share of the pixels on a steep slope."""
    return float((one.strength > _STROKE).mean())


def uprightness(one: Drawn) -> float:
    """Share of the slopes that are level or upright."""
    turn = np.degrees(np.arctan2(*one.slopes)) % 90
    upright = np.minimum(turn, 90 - turn) <= _UPRIGHT
    return float(one.strength[upright].sum() / max(float(one.strength.sum()), 1e-6))


def sharpness(one: Drawn) -> float:
    """Energy of the finest differences beside that of all contrast."""
    grey = one.grey
    fine = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
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


def crops_of(windows: Windows) -> list[NDArray[np.float32]]:
    """Decode crops at their own size, float32 (C, h, w) in 0 to 1."""
    pixels = [windows.pixels(row) for row in range(len(windows))]
    return [np.moveaxis(one, 2, 0).astype(np.float32) / np.float32(np.iinfo(one.dtype).max) for one in pixels]


def described(windows: Windows) -> NDArray[np.float64]:
    """Describe windows by all looks, (n, looks); crops of fewer than 4 pixels look like nothing at all."""
    crops = [Drawn(crop if min(crop.shape[1:]) >= _SMALLEST else _NOTHING) for crop in crops_of(windows)]
    rows = [[look(crop) for look in LOOKS.values()] for crop in crops]
    return np.array(rows, dtype=np.float64).reshape(-1, len(LOOKS))


def looks(asked: Question) -> dict[str, Signal]:
    """Rank the facet's crops among those of other facets by every look.

    Returns
    -------
    0 to 1 each, .5 = as others; higher: rather drawn than seen.
    """
    own, other = described(asked.closely), asked.of_pool("looks", described)
    ranked = {f"drawn_{name}": superiority(own[:, k], other[:, k]) for k, name in enumerate(LOOKS)}
    return those(**ranked)
