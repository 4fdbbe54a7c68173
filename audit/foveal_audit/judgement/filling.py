"""Take a window out of a sample: two fillers, so that no verdict rests on how the hole was filled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.images import Pixels

_EDGE = 3  # rows or columns beside the hole whose mean is carried into it
_FEATHER = 4  # pixels over which a large patch fades into its surroundings
_FADING = 6  # a small one fades over this part of its shorter side: most of it must stay what it is


def feather(
    height: int, width: int, open_sides: tuple[bool, bool, bool, bool] = (True, True, True, True)
) -> NDArray[np.float32]:
    """Weight (height, width, 1) that rises from the border of a patch to 1.

    Parameters
    ----------
    height, width
        Of the patch. It fades over a sixth of its shorter side, over four pixels at most: of 8 x 8 pixels
        nine tenths stay, of 16 x 16 eight tenths.
    open_sides
        Top, left, bottom, right: whether the patch has a neighbour there. Along the border of a sample there
        is nothing to fade into.
    """
    reach = np.clip(min(height, width) / _FADING, 1, _FEATHER)
    top, left, bottom, right = open_sides
    depth = np.minimum.outer(_depth(height, top, bottom), _depth(width, left, right))
    return np.asarray(np.clip(depth / reach, 0, 1)[..., None], dtype=np.float32)


def _depth(length: int, first: bool, last: bool) -> NDArray[np.float32]:
    """Count the places from the open ends."""
    places = np.arange(length, dtype=np.float32) + 1
    far = np.full(length, np.inf, dtype=np.float32)
    return np.asarray(np.minimum(places if first else far, places[::-1] if last else far))


def _open_sides(window: Window, pixels: Pixels) -> tuple[bool, bool, bool, bool]:
    y0, x0, y1, x1 = window
    return y0 > 0, x0 > 0, y1 < pixels.shape[0], x1 < pixels.shape[1]


def _edges(
    values: NDArray[np.float32], window: Window
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Carry each side of the hole that has neighbours into the hole, with its distance to every place."""
    y0, x0, y1, x1 = window
    height, width = y1 - y0, x1 - x0
    down = np.arange(height, dtype=np.float32)[:, None, None] + 1
    right = np.arange(width, dtype=np.float32)[None, :, None] + 1
    sides = (
        (values[max(0, y0 - _EDGE) : y0, x0:x1], 0, down),
        (values[y1 : y1 + _EDGE, x0:x1], 0, height + 1 - down),
        (values[y0:y1, max(0, x0 - _EDGE) : x0], 1, right),
        (values[y0:y1, x1 : x1 + _EDGE], 1, width + 1 - right),
    )
    return [(strip.mean(axis=axis, keepdims=True), distance) for strip, axis, distance in sides if strip.size]


def _grain(values: NDArray[np.float32], window: Window, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the fine noise of the surroundings: differences of neighbouring pixels around the hole."""
    y0, x0, y1, x1 = window
    around = values[max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8]
    steps = np.diff(around, axis=1).ravel() / np.sqrt(2)
    # The median keeps the edges of what is being removed out of the noise.
    spread = float(np.quantile(np.abs(steps), 0.5)) / 0.6745 if steps.size else 0.0
    return rng.normal(0, spread, (y1 - y0, x1 - x0, values.shape[2])).astype(np.float32)


def fill_smoothly(pixels: Pixels, window: Window, rng: np.random.Generator) -> Pixels:
    """Replace a window by what its four sides suggest, with the surroundings' grain.

    Parameters
    ----------
    pixels
        Sample (H, W, C) of 8 or 16 bits.
    window
        y0, x0, y1, x1.
    rng
        Draws the grain.

    Returns
    -------
    A changed copy of the same type.
    """
    y0, x0, y1, x1 = window
    values = pixels.astype(np.float32)
    weighted = [(side / distance, 1 / distance) for side, distance in _edges(values, window)]
    if not weighted:  # the window is the whole sample
        weighted = [(values.mean(axis=(0, 1), keepdims=True), np.ones((1, 1, 1), dtype=np.float32))]
    smooth = sum(part for part, _ in weighted) / sum(weight for _, weight in weighted)
    hole = np.broadcast_to(smooth, values[y0:y1, x0:x1].shape) + _grain(values, window, rng)
    return _put(pixels, hole, window)


def fill_from(pixels: Pixels, window: Window, patch: Pixels, strength: float = 1.0) -> Pixels:
    """Replace a window by a patch, fading at its border; a changed copy.

    Parameters
    ----------
    pixels
        Sample (H, W, C).
    window
        y0, x0, y1, x1.
    patch
        Of any size, bits and channels.
    strength
        How much of the patch is blended in, 0 to 1.
    """
    y0, x0, y1, x1 = window
    new = _in_units_of(pixels, fit_patch(patch, y1 - y0, x1 - x0), patch)
    weight = np.float32(strength) * feather(y1 - y0, x1 - x0, _open_sides(window, pixels))
    old = pixels[y0:y1, x0:x1].astype(np.float32)
    return _put(pixels, weight * new + (1 - weight) * old, window)


def fit_patch(patch: Pixels, height: int, width: int) -> NDArray[np.float32]:
    """Bring a patch (h, w, C) to (height, width, C) by nearest neighbour, float32 in its own units."""
    rows = (np.arange(height) * patch.shape[0]) // height
    columns = (np.arange(width) * patch.shape[1]) // width
    return np.asarray(patch[rows][:, columns], dtype=np.float32)


def _in_units_of(pixels: Pixels, values: NDArray[np.float32], patch: Pixels) -> NDArray[np.float32]:
    """Bring a patch's values to the bits and channels of the sample that takes it."""
    top, channels = np.iinfo(pixels.dtype).max, pixels.shape[2]
    if patch.dtype != pixels.dtype:
        values = values * np.float32(top / np.iinfo(patch.dtype).max)
    if values.shape[2] == channels:
        return values
    colour = values[..., :3] if channels > 1 else values[..., :3].mean(axis=2, keepdims=True)
    fitted = np.broadcast_to(colour, (*values.shape[:2], min(channels, 3)))
    opaque = np.full((*values.shape[:2], channels - fitted.shape[2]), top, dtype=np.float32)
    return np.concatenate([fitted, opaque], axis=2)


def _put(pixels: Pixels, values: NDArray[np.float32], window: Window) -> Pixels:
    y0, x0, y1, x1 = window
    changed = pixels.copy()
    top = np.iinfo(pixels.dtype).max
    changed[y0:y1, x0:x1] = np.clip(values.round(), 0, top).astype(pixels.dtype)
    return changed
