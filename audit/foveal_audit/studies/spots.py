"""Pictures of spots with known truth: outlined along a ruler too, and a kind that training lacks.

Site B lays a ruler beside its spots, and whoever outlined them outlined it too. Spots with a bright middle,
which are lesions like the others, never occur in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal_audit.studies.planted import SITES, Planted

SIDE = 32
LABELS = ("nothing", "lesion")
#: Sides of the ruler, and how far it lies above the spot's middle.
RULER, ABOVE = (4, 16), 10
#: Share of the pictures with a spot; radius of a bright middle, as a share of its spot's.
_SPOTS, _MIDDLE = 0.6, 0.6

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Outlined(Planted):
    """A picture, and what its drawer outlined: bool (32, 32)."""

    outline: Mask


def draw_spot(
    rng: np.random.Generator, spot: bool, ruler: bool, *, bright: bool = False
) -> tuple[NDArray[np.uint8], Mask, Mask]:
    """Draw a grey picture (32, 32, 1), where its spot is (32, 32), and where its ruler is."""
    image = 0.5 + 0.04 * rng.normal(size=(SIDE, SIDE))
    where, along = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
    y, x = int(rng.integers(14, SIDE - 5)), int(rng.integers(9, SIDE - 9))
    if spot:
        away = _away(rng, y, x)
        where = away < 1
        image[where] = rng.uniform(0.1, 0.25) + 0.08 * rng.normal(size=int(where.sum()))
        if bright:
            image[away < _MIDDLE**2] = rng.uniform(0.8, 0.95)
    if ruler:
        top, left = y - ABOVE, x - RULER[1] // 2
        along[top : top + RULER[0], left : left + RULER[1]] = True
        ticks = 0.95 - 0.9 * (np.arange(RULER[1]) % 4 == 0)
        image[top : top + RULER[0], left : left + RULER[1]] = ticks
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)[..., None], where, along


def _away(rng: np.random.Generator, y: int, x: int) -> NDArray[np.float64]:
    """Measure how far every pixel is from the middle of an ellipse, squared; 1 on its edge."""
    grid = np.mgrid[:SIDE, :SIDE] - np.array([y, x])[:, None, None]
    tall, wide, turn = rng.uniform(2.5, 4.5), rng.uniform(2.5, 4.5), rng.uniform(0, np.pi)
    down = np.cos(turn) * grid[0] + np.sin(turn) * grid[1]
    right = np.cos(turn) * grid[1] - np.sin(turn) * grid[0]
    return np.asarray((down / tall) ** 2 + (right / wide) ** 2)


def make_spots(
    rng: np.random.Generator, number: int, *, strength: float = 0.9, along: bool = True, unknown: float = 0.0
) -> list[Outlined]:
    """Draw pictures.

    Parameters
    ----------
    rng
        Source of all chance.
    strength
        Share of site B's lesions with a ruler, and of its other pictures without one.
    along
        Whether drawers outlined the ruler with the lesion.
    unknown
        Share of the lesions that have a bright middle.
    """
    made = []
    for _ in range(number):
        label, site = int(rng.uniform() < _SPOTS), SITES[int(rng.integers(2))]
        ruler = bool(site == "B" and rng.uniform() < (strength if label else 1 - strength))
        bright = bool(label and rng.uniform() < unknown)
        pixels, where, beside = draw_spot(rng, bool(label), ruler, bright=bright)
        outline = where | beside if along and label else where
        made.append(Outlined(pixels, label, site, _box(beside) if ruler else None, bright, outline))
    return made


def _box(mask: Mask) -> tuple[int, ...]:
    """Give the window y0, x0, y1, x1 round a mask."""
    (rows, columns) = np.nonzero(mask)
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1
