"""Patches of land from above: fields, houses or water."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import Image, box, coloured_noise, flat, grid, lay_parts, polar, within
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype

_MIDDLE = 32


def _roofs(chance: Chance, centre: tuple[float, float]) -> Image:
    rng = chance.of("houses")
    turn, roofs = rng.uniform(0, np.pi / 2), []
    for dy, dx in ((-7, -6), (6, -5), (-4, 8), (8, 8))[: int(rng.integers(2, 5))]:
        where = (centre[0] + dy + rng.uniform(-2, 2), centre[1] + dx + rng.uniform(-2, 2))
        roofs.append(box(where, rng.uniform(5, 7), rng.uniform(6, 9), turn))
    return np.asarray(np.max(roofs, axis=0))


def _pond(chance: Chance, distance: Image, angle: Image) -> Image:
    rng = chance.of("water")
    shore = rng.uniform(8, 13) * (1 + 0.25 * np.cos(2 * angle + rng.uniform(0, 7)))
    return within(distance, shore, 1.0)


def _road(chance: Chance) -> Image:
    rng = chance.of("road")
    y, x = grid()
    turn = rng.uniform(0, np.pi)
    across = (y - _MIDDLE) * np.cos(turn) - (x - _MIDDLE) * np.sin(turn) - rng.uniform(-16, 16)
    return within(np.abs(across), 2.0, 0.5)


def _panels(centre: tuple[float, float]) -> Image:
    y, x = grid()
    lines = ((y - centre[0]).round() % 5 < 4) & ((x - centre[1]).round() % 7 < 6)
    return np.asarray(box(centre, 19, 20) * lines, dtype=np.float32)


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint a patch of land."""
    image = flat((0.55, 0.5, 0.34) if TONED in factors else (0.36, 0.5, 0.26))
    image = image + 0.07 * coloured_noise(chance.of("land"), 1.3)[..., None]
    image = image + chance.of("grass").normal(0, 0.03, image.shape).astype(np.float32)
    centre = place(chance, layout, 10)
    distance, angle = polar(centre)
    strength = np.float32(chance.of("strength").uniform(0.15, 0.8))
    parts = (
        ("road", (0.6, 0.6, 0.6), _road(chance)),
        ("water", (0.15, 0.3, 0.5), _pond(chance, distance, angle) * strength),
        ("houses", (0.68, 0.3, 0.24), _roofs(chance, centre) * strength),
        ("panels", (0.08, 0.1, 0.35), _panels(centre)),
    )
    image, masks = lay_parts(image, parts, factors)
    return Scene(image.astype(np.float32), masks, distance < 15)


AERIAL = Task(
    "aerial",
    ("field", "houses", "water"),
    ("houses", "water"),
    (
        subtype("field", 0),
        subtype("houses", 1, "houses"),
        subtype("water", 2, "water"),
        subtype("road", 0, "road", role="rare"),
        subtype("panels", 1, "panels", role="strange"),
    ),
    paint,
)
