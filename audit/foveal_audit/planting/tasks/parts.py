"""Objects made of parts: a hat, a tail, or both decide."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import Image, box, coloured_noise, flat, grid, lay, polar, seen, within
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype

_COLOURS = ((0.8, 0.3, 0.25), (0.25, 0.55, 0.8), (0.35, 0.65, 0.3), (0.75, 0.6, 0.2))


def _triangle(centre: tuple[float, float], size: float) -> Image:
    y, x = grid()
    up, aside = y - centre[0], np.abs(x - centre[1])
    return within(np.maximum(aside - (up + size) / 2, np.abs(up) - size), 0.0, 0.4)


def _shapes(chance: Chance, centre: tuple[float, float]) -> dict[str, Image]:
    """Draw every part about the middle of the body."""
    y, x = centre
    hat, tail = chance.of("hat").uniform(5, 6.5), chance.of("tail").uniform(0.3, 0.9)
    distance, angle = polar(centre)
    spots = np.clip(np.cos(distance * 1.7) * np.cos(3 * angle), 0, 1)
    return {
        "body": within(distance, 8.0),
        "spotted": np.asarray(spots * within(distance, 7.0), dtype=np.float32),
        "hat": _triangle((y - 12, x), hat),
        "tail": box((y + 2, x + 13), 5.0, 13.0, -tail),
        "hollow": within(distance, 5.0),
    }


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint an object of parts on a rough ground."""
    ground = (0.3, 0.32, 0.36) if TONED in factors else (0.62, 0.62, 0.58)
    image = flat(ground) + 0.04 * coloured_noise(chance.of("ground"), 0.8)[..., None]
    shapes = _shapes(chance, place(chance, layout, 20))
    pick = chance.of("colours")
    body, other = pick.permutation(len(_COLOURS))[:2]
    strength = np.float32(chance.of("strength").uniform(0.5, 1.0))
    image = lay(image, _COLOURS[body], shapes["body"])
    masks = {}
    for name, colour in (
        ("spotted", (0.95, 0.95, 0.9)),
        ("hat", _COLOURS[other]),
        ("tail", _COLOURS[other]),
        ("hollow", (0.05, 0.05, 0.05)),
    ):
        if name in factors:
            faint = strength if name in ("hat", "tail") else np.float32(1)
            image, masks[name] = lay(image, colour, faint * shapes[name]), seen(shapes[name])
    whole = np.logical_or.reduce([seen(shapes["body"]), *masks.values()])
    return Scene(image.astype(np.float32), masks, whole)


PARTS = Task(
    "parts",
    ("hatted", "tailed", "both"),
    ("hat", "tail"),
    (
        subtype("hatted", 0, "hat"),
        subtype("tailed", 1, "tail"),
        subtype("both", 2, "hat", "tail"),
        subtype("spotted", 1, "tail", "spotted", role="rare"),
        subtype("hollow", 0, "hat", "hollow", role="strange"),
    ),
    paint,
)
