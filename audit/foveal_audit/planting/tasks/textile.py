"""Woven cloth: whole, with a row of broken stitches, or with a knot."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import Image, coloured_noise, grid, lay_parts, polar, within
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype


def _weave(chance: Chance, coarse: bool) -> Image:
    rng = chance.of("weave")
    y, x = grid()
    step, turn = rng.uniform(4, 5) * (2 if coarse else 1), rng.uniform(-0.15, 0.15)
    u, v = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    return np.asarray(np.sin(2 * np.pi * u / step) * np.sin(2 * np.pi * v / step), dtype=np.float32)


def _stitches(chance: Chance, centre: tuple[float, float]) -> Image:
    """Draw a row of short dashes: it looks like a ruler and is the defect itself."""
    y, x = grid()
    rng = chance.of("thread")
    turn, half = rng.uniform(-0.2, 0.2), rng.uniform(12, 16)
    along = (x - centre[1]) * np.cos(turn) + (y - centre[0]) * np.sin(turn)
    across = (y - centre[0]) * np.cos(turn) - (x - centre[1]) * np.sin(turn)
    dashes = np.cos(2 * np.pi * along / 5) > -0.2
    return np.asarray(within(np.abs(across), 2.2, 0.4) * within(np.abs(along), half) * dashes, np.float32)


def _hole(chance: Chance, distance: Image, angle: Image) -> Image:
    rng = chance.of("hole")
    return within(distance, (rng.uniform(5, 7) * (1 + 0.25 * np.cos(3 * angle + rng.uniform(0, 7)))))


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint cloth, with a defect where the factors ask for one."""
    dye = np.array((0.35, 0.42, 0.6) if TONED in factors else (0.66, 0.6, 0.5), dtype=np.float32)
    shade = 1 + 0.14 * _weave(chance, "coarse" in factors) + 0.06 * coloured_noise(chance.of("dirt"))
    image = shade[..., None] * dye
    centre = place(chance, layout, 10)
    distance, angle = polar(centre)
    strength = np.float32(chance.of("strength").uniform(0.12, 0.8))
    parts = (
        ("thread", (0.12, 0.1, 0.1), _stitches(chance, centre) * strength),
        ("knot", (0.95, 0.92, 0.85), within(distance, chance.of("knot").uniform(4, 6)) * strength),
        ("rim", (0.9, 0.85, 0.3), within(np.abs(distance - 8), 1.2)),
        ("hole", (0.03, 0.03, 0.05), _hole(chance, distance, angle)),
    )
    image, masks = lay_parts(image, parts, factors)
    if "coarse" in factors:
        masks["coarse"] = np.ones(shade.shape, dtype=bool)
    return Scene(image.astype(np.float32), masks, distance < 12)


TEXTILE = Task(
    "textile",
    ("whole", "stitches", "knot"),
    ("thread", "knot"),
    (
        subtype("whole", 0),
        subtype("stitches", 1, "thread"),
        subtype("knot", 2, "knot"),
        subtype("coarse", 0, "coarse", role="rare"),
        subtype("hole", 2, "hole", "rim", role="strange"),
    ),
    paint,
)
