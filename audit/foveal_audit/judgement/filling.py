"""Take a window out of a sample: two fillers, so that no verdict rests on how the hole was filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.crops import inside
from foveal.records import Window
from foveal.samples.values import Values, axes_of
from foveal_audit.judgement.noise import NOISES
from foveal_audit.units.resizing import resized

Floats = NDArray[np.float32]


def _nearest(patch: Values, sides: Sequence[int]) -> Floats:
    """Bring a patch to a size by nearest neighbour: its edges stay as sharp as they are."""
    for axis, side in enumerate(sides):
        patch = patch.take((np.arange(side) * patch.shape[axis]) // side, axis=axis)
    return np.asarray(patch, dtype=np.float32)


def _resampled(patch: Values, sides: Sequence[int]) -> Floats:
    """Bring a patch to a size by interpolation: a trace that jumps from sample to sample is another trace."""
    return np.moveaxis(resized(patch.astype(np.float32), sides), 0, -1)


@dataclass(frozen=True)
class _Manner:
    """How patches are put in.

    Attributes
    ----------
    edge
        Places beside the hole whose mean is carried into it.
    fading, longest
        A patch fades over this part of its shorter side, and over so many places at most: most of it must
        stay what it is.
    fit
        Brings a patch (*s, C) to a size.
    """

    edge: int
    fading: float
    longest: float
    fit: Callable[[Values, Sequence[int]], Floats]


#: By the number of axes. Traces fade into each other over a sixth of the patch, however long it is: a step
#: in a trace is a sign of its own.
_MANNERS: Mapping[int, _Manner] = {
    1: _Manner(8, 6, np.inf, _resampled),
    2: _Manner(3, 6, 4, _nearest),
    3: _Manner(3, 6, 4, _nearest),
}


def feather(sides: Sequence[int], open_sides: Sequence[bool] = ()) -> Floats:
    """Weight (*sides, 1) that rises from the border of a patch to 1.

    Parameters
    ----------
    sides
        Of the patch. It fades over a sixth of its shorter side, a picture or volume over four places at most:
        of 8 x 8 pixels nine tenths stay, of 16 x 16 eight tenths.
    open_sides
        All starts, then all ends (top, left, bottom, right): whether the patch has a neighbour there; by
        default it has. Along the border of a sample there is nothing to fade into.
    """
    axes = len(sides)
    manner = _MANNERS[axes]
    free = tuple(open_sides) or (True,) * (2 * axes)
    reach = np.clip(min(sides) / manner.fading, 1, manner.longest)
    depths = [_depth(side, free[axis], free[axes + axis]) for axis, side in enumerate(sides)]
    depth = reduce(np.minimum.outer, depths)
    return np.asarray(np.clip(depth / reach, 0, 1)[..., None], dtype=np.float32)


def _depth(length: int, first: bool, last: bool) -> Floats:
    """Count the places from the open ends."""
    places = np.arange(length, dtype=np.float32) + 1
    far = np.full(length, np.inf, dtype=np.float32)
    return np.asarray(np.minimum(places if first else far, places[::-1] if last else far))


def _open_sides(window: Window, values: Values) -> tuple[bool, ...]:
    axes = axes_of(values)
    starts = (low > 0 for low in window[:axes])
    ends = (high < side for high, side in zip(window[axes:], values.shape, strict=False))
    return (*starts, *ends)


def _edges(values: Floats, window: Window) -> list[tuple[Floats, Floats]]:
    """Carry each side of the hole that has neighbours into the hole, with its distance to every place."""
    found = []
    axes, hole = len(window) // 2, inside(window)
    edge = _MANNERS[axes].edge
    for axis in range(axes):
        low, high = window[axis], window[axes + axis]
        away = np.arange(high - low, dtype=np.float32).reshape(-1, *[1] * (axes - axis)) + 1
        for beside, distance in (
            (slice(max(0, low - edge), low), away),
            (slice(high, high + edge), high - low + 1 - away),
        ):
            strip = values[(*hole[:axis], beside, *hole[axis + 1 :])]
            if strip.size:
                found.append((strip.mean(axis=axis, keepdims=True), distance))
    return found


def fill_smoothly(values: Values, window: Window, rng: np.random.Generator) -> Values:
    """Replace a window by what its sides suggest, with the surroundings' noise.

    Parameters
    ----------
    values
        Sample (*S, C).
    window
        All starts, then all ends.
    rng
        Draws the noise.

    Returns
    -------
    A changed copy of the same type.
    """
    axes = axes_of(values)
    numbers = values.astype(np.float32, subok=False)
    weighted = [(side / distance, 1 / distance) for side, distance in _edges(numbers, window)]
    if not weighted:  # the window is the whole sample
        mean = numbers.mean(axis=tuple(range(axes)), keepdims=True)
        weighted = [(mean, np.ones((1,) * (axes + 1), dtype=np.float32))]
    smooth = sum(part for part, _ in weighted) / sum(weight for _, weight in weighted)
    shape = numbers[inside(window)].shape
    hole = np.broadcast_to(smooth, shape) + NOISES[axes](numbers, window, rng)
    return _put(values, hole, window)


def fill_from(values: Values, window: Window, patch: Values, strength: float = 1.0) -> Values:
    """Replace a window by a patch, fading at its border; a changed copy.

    Parameters
    ----------
    values
        Sample (*S, C).
    window
        All starts, then all ends.
    patch
        Of any size, type and channels, with as many axes.
    strength
        How much of the patch is blended in, 0 to 1.
    """
    hole = inside(window)
    old = values[hole].astype(np.float32, subok=False)
    sides = old.shape[:-1]
    new = _in_units_of(values, fit_patch(patch, sides), patch)
    weight = np.float32(strength) * feather(sides, _open_sides(window, values))
    return _put(values, weight * new + (1 - weight) * old, window)


def fit_patch(patch: Values, sides: Sequence[int]) -> Floats:
    """Bring a patch (*s, C) to (*sides, C), float32 in its own units: see :data:`_MANNERS`."""
    return _MANNERS[len(sides)].fit(patch, sides)


def _in_units_of(values: Values, fitted: Floats, patch: Values) -> Floats:
    """Bring a patch's numbers to the type and channels of the sample that takes it."""
    channels = values.shape[-1]
    if patch.dtype != values.dtype and {patch.dtype.kind, values.dtype.kind} == {"u"}:
        fitted = fitted * np.float32(np.iinfo(values.dtype).max / np.iinfo(patch.dtype).max)
    if fitted.shape[-1] == channels:
        return fitted
    if axes_of(values) == 1:  # other leads: what all of them have
        return np.repeat(fitted.mean(axis=-1, keepdims=True), channels, axis=-1)
    return _recoloured(fitted, values)


def _recoloured(fitted: Floats, values: Values) -> Floats:
    """Make grey of colour, colour of grey, and opaque what has no opacity."""
    channels = values.shape[-1]
    colour = fitted[..., :3] if channels > 1 else fitted[..., :3].mean(axis=-1, keepdims=True)
    colour = np.broadcast_to(colour, (*fitted.shape[:-1], min(channels, 3)))
    top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 0
    opaque = np.full((*fitted.shape[:-1], channels - colour.shape[-1]), top, dtype=np.float32)
    return np.concatenate([colour, opaque], axis=-1)


def _put(values: Values, numbers: Floats, window: Window) -> Values:
    changed = values.copy()
    changed[inside(window)] = in_type(numbers, values.dtype)
    return changed


def like(numbers: NDArray[np.floating], values: Values) -> Values:
    """Give numbers the type of a sample, and all that a copy of it keeps."""
    changed = values.copy()
    changed[...] = in_type(numbers, values.dtype)
    return changed


def in_type(numbers: NDArray[np.floating], kind: np.dtype[Any]) -> Values:
    """Round numbers to a type and cut them to its range; floats stay as they are."""
    if kind.kind == "f":
        return numbers.astype(kind)
    ends = np.iinfo(kind)
    whole: Values = np.clip(numbers.round(), ends.min, ends.max).astype(kind)
    return whole
