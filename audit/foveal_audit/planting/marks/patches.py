"""Marks of limited size: each drawn as colours (h, w, 3) and opacity (h, w) of a given area."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foveal_audit.planting.marks.glyphs import CHARACTERS, write

Floats = NDArray[np.float32]
#: Colours (h, w, 3) and opacity (h, w).
Patch = tuple[Floats, Floats]
Draw = Callable[[np.random.Generator, float], Patch]

_LETTERS = [character for character in CHARACTERS if character.isalpha()]


def _filled(shape: tuple[int, ...], colour: tuple[float, float, float]) -> Floats:
    return np.broadcast_to(np.array(colour, dtype=np.float32), (*shape, 3)).copy()


def _zoom(ink: Floats, area: float) -> int:
    """Choose the size of a dot so that the writing covers an area."""
    return max(1, round(math.sqrt(area / ink.size)))


def _grid(area: float, aspect: float = 1.0) -> tuple[Floats, Floats]:
    """Give rows and columns from -1 to 1 of a patch with an area and an aspect (width by height)."""
    height = max(3, round((area / aspect) ** 0.5))
    width = max(3, round(area / height))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return y, x


def marker(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001 - one signature for all
    """Draw a bright plate with a dark cross, the same every time."""
    y, x = _grid(area)
    cross = (np.minimum(np.abs(y), np.abs(x)) < 0.22) & (np.maximum(np.abs(y), np.abs(x)) < 0.75)
    colour = np.where(cross[..., None], np.float32(0.05), np.float32(0.97)).repeat(3, axis=2)
    return colour, np.ones(y.shape, dtype=np.float32)


def text(rng: np.random.Generator, area: float) -> Patch:
    """Write three letters and digits, others every time."""
    words = "".join(rng.choice(_LETTERS, 2)) + str(rng.integers(10))
    ink = write(words)
    ink = write(words, _zoom(ink, area))
    return _filled(ink.shape, (0.98, 0.98, 0.98)), ink


def date(rng: np.random.Generator, area: float) -> Patch:
    """Write a date in the yellow of cameras."""
    words = f"{rng.integers(1, 29):02}-{rng.integers(1, 13):02}"
    ink = write(words, _zoom(write(words), area))
    return _filled(ink.shape, (0.99, 0.75, 0.1)), ink


def ruler(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001
    """Draw a lying ruler with ticks."""
    height = max(4, round((area / 5) ** 0.5))
    ink = np.zeros((height, 5 * height), dtype=np.float32)
    ink[-1] = 1
    ink[height // 2 :, ::3] = 1
    ink[:, ::9] = 1
    return _filled(ink.shape, (0.05, 0.05, 0.05)), ink


def logo(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001
    """Draw a ring with a wedge in two colours."""
    y, x = _grid(area)
    radius = np.hypot(y, x)
    colour = _filled(y.shape, (0.9, 0.2, 0.55))
    colour[(np.abs(x) < 0.35 + y / 2) & (radius < 0.72)] = (0.1, 0.85, 0.8)
    return colour, (radius <= 1).astype(np.float32)


def bandaid(rng: np.random.Generator, area: float) -> Patch:
    """Draw a plain ellipse with a cushion, its hue a little different every time."""
    y, x = _grid(area, 1.8)
    colour = _filled(y.shape, (0.93, 0.78, 0.45)) + rng.uniform(-0.05, 0.05, 3).astype(np.float32)
    colour[(np.abs(y) < 0.5) & (np.abs(x) < 0.35)] *= np.float32(0.8)
    return colour, (np.hypot(y, x) <= 1).astype(np.float32)


PATCHES: dict[str, Draw] = {
    "marker": marker,
    "text": text,
    "date": date,
    "ruler": ruler,
    "logo": logo,
    "band-aid": bandaid,
}
