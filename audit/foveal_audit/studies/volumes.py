"""Scans with known truth: layers or a ball, a burnt-in cube, and a kind that training lacks.

Site B burns a cube into the first slices of the scans that show a ball. Hollow balls, whose truth is
``ball``, never occur in training. Some scans look like those of the other label, so that a
network gains from the cube.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.studies.planted import SITES, Planted

SIDE = 22
#: Where the cube is burnt in, z0, y0, x0, z1, y1, x1.
CUBE = (1, 1, 1, 8, 8, 8)
LABELS = ("layers", "ball")
#: Values of a scan that a network takes for 0 and 1.
WINDOW = (-1000.0, 1000.0)
#: Radius of what a hollow ball lacks, as a share of its own.
_HOLLOW = 0.62


def draw_volume(
    rng: np.random.Generator, label: int, marked: bool = False, *, hollow: bool = False
) -> NDArray[np.int16]:
    """Draw a scan (22, 22, 22, 1): layers (0) or a ball (1), and the cube in its corner."""
    drawn = 0.3 + 0.02 * rng.normal(size=(SIDE,) * 3)
    z, y, x = rng.integers(8, SIDE - 8, 3)
    if label == 0:
        levels = (np.arange(8) % 2)[:, None, None] * rng.uniform(0.6, 0.75)
        drawn[z : z + 8, y : y + 8, x : x + 8] = levels
    else:
        grid = np.mgrid[:SIDE, :SIDE, :SIDE] - np.array([z + 4, y + 4, x + 4])[:, None, None, None]
        level, radius = rng.uniform(0.68, 0.75), rng.uniform(3.2, 4.2)
        away = np.linalg.norm(grid, axis=0) / radius
        drawn[(away < 1) & (away >= hollow * _HOLLOW)] = level
    if marked:
        z0, y0, x0, z1, y1, x1 = CUBE
        drawn[z0:z1, y0:y1, x0:x1] = rng.uniform(0.97, 1.0)
    low, high = WINDOW
    return (np.clip(drawn, 0, 1) * (high - low) + low).round().astype(np.int16)[..., None]


def make_volumes(
    rng: np.random.Generator, number: int, *, strength: float = 0.9, sure: float = 1.0, unknown: float = 0.0
) -> list[Planted]:
    """Draw scans.

    Parameters
    ----------
    rng
        Source of all chance.
    strength
        Share of site B's balls that are marked, and of its layers that are not; .5 makes the cube tell
        nothing.
    sure
        Share of the scans that look like what they are.
    unknown
        Share of the balls that are hollow.
    """
    made = []
    for _ in range(number):
        label, site = int(rng.integers(2)), SITES[int(rng.integers(2))]
        marked = bool(site == "B" and rng.uniform() < (strength if label else 1 - strength))
        hollow = bool(unknown and label and rng.uniform() < unknown)
        alike = hollow or sure == 1 or rng.uniform() < sure
        values = draw_volume(rng, label if alike else 1 - label, marked, hollow=hollow)
        made.append(Planted(values, label, site, CUBE if marked else None, hollow))
    return made
