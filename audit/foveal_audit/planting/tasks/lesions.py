"""Skin-like lesions: a jagged border or a net of pigment decides."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import (
    Image,
    coloured_noise,
    flat,
    grid,
    lay,
    lay_parts,
    polar,
    seen,
    within,
)
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype

_SKIN, _TANNED = (0.86, 0.69, 0.59), (0.62, 0.45, 0.36)


def _edge(chance: Chance, angle: Image, jagged: bool) -> tuple[Image, Image]:
    """Give the round outline and the true one."""
    radius = chance.of("radius").uniform(9, 13)
    rng = chance.of("irregular")
    depth = rng.uniform(0.06, 0.26)
    waves = sum(np.cos(k * angle + rng.uniform(0, 2 * np.pi)) * rng.uniform(0.5, 1) for k in (4, 6, 9))
    round_ = np.full_like(angle, radius)
    return round_, np.asarray(round_ * (1 + depth * waves / 1.5), dtype=np.float32) if jagged else round_


def _network(chance: Chance) -> Image:
    rng = chance.of("network")
    y, x = grid()
    step, turn = rng.uniform(4, 5.5), rng.uniform(0, np.pi)
    u, v = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    net = np.maximum(np.cos(2 * np.pi * u / step), np.cos(2 * np.pi * v / step))
    return np.asarray(np.clip(net, 0, 1) ** 2 * rng.uniform(0.12, 0.7), dtype=np.float32)


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint a lesion on skin."""
    image = flat(_TANNED if TONED in factors else _SKIN)
    image = image * (1 + 0.05 * coloured_noise(chance.of("skin"))[..., None])
    distance, angle = polar(place(chance, layout, 11))
    round_, edge = _edge(chance, angle, "irregular" in factors)
    brown = chance.of("brown").uniform((0.38, 0.2, 0.12), (0.55, 0.34, 0.24))
    body = within(distance, edge)
    image = lay(image, tuple(brown), body * np.float32(0.9))
    parts = (
        ("network", (0.16, 0.07, 0.04), _network(chance) * body),
        ("halo", (0.97, 0.93, 0.9), within(np.abs(distance - edge - 3), 2.0) * np.float32(0.8)),
        ("veil", (0.55, 0.65, 0.85), within(distance, 0.7 * edge) * np.float32(0.85)),
    )
    image, masks = lay_parts(image, parts, factors)
    if "irregular" in factors:
        masks["irregular"] = seen(np.maximum(body, within(distance, round_)))
    return Scene(image, masks, seen(body))


LESIONS = Task(
    "lesions",
    ("nevus", "melanoma", "keratosis"),
    ("irregular", "network"),
    (
        subtype("nevus", 0),
        subtype("melanoma", 1, "irregular"),
        subtype("keratosis", 2, "network"),
        subtype("halo nevus", 0, "halo", role="rare"),
        subtype("blue veil", 1, "veil", role="strange"),
    ),
    paint,
)
