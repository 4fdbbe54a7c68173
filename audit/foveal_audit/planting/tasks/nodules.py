"""CT-like nodules on tissue and vessels: none, smooth, or with spikes."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import SIZE, Image, polar, seen, within
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype
from foveal_audit.studies.tissue import tissue


def _shapes(chance: Chance, distance: Image, angle: Image) -> dict[str, Image]:
    """Draw every factor a nodule may have, each with its own chance."""
    size, rng, lobes = chance.of("size").uniform(5, 7.5), chance.of("spikes"), chance.of("lobed")
    ray = np.clip(np.cos(rng.integers(7, 11) * angle + rng.uniform(0, 7)), 0, 1) ** 3
    wave = 1 + 0.3 * np.cos(lobes.integers(3, 5) * angle + lobes.uniform(0, 7))
    ring = np.exp(-(((distance - 0.62 * size) / 1.1) ** 2)) + np.exp(-((distance / 1.4) ** 2))
    return {
        "nodule": within(distance, size),
        "spikes": np.asarray(rng.uniform(0.4, 0.9) * ray * within(distance, 1.9 * size, 1.0)),
        "lobed": within(distance, (1.15 * size * wave).astype(np.float32)),
        "calcified": np.asarray(1.5 * ring * within(distance, size + 1), dtype=np.float32),
    }


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint tissue, with a nodule where the factors ask for one."""
    image = 0.16 + 0.28 * tissue(chance.of("tissue"), SIZE)
    distance, angle = polar(place(chance, layout, 9))
    contrast = chance.of("contrast").uniform(0.16, 0.42)
    shapes = _shapes(chance, distance, angle)
    drawn = {name: shape for name, shape in shapes.items() if name in factors}
    masks = {name: seen(shape) for name, shape in drawn.items()}
    if "spikes" in masks:  # they start in the middle
        masks["spikes"] |= seen(shapes["nodule"])
    total = np.max([np.zeros_like(image), *drawn.values()], axis=0)
    image = image + contrast * total + chance.of("grain").normal(0, 0.03, image.shape)
    image = 0.75 * image + 0.2 if TONED in factors else image
    return Scene(image.astype(np.float32)[..., None], masks, distance < 11)


NODULES = Task(
    "nodules",
    ("none", "smooth", "spiculated"),
    ("nodule", "spikes"),
    (
        subtype("none", 0),
        subtype("smooth", 1, "nodule"),
        subtype("spiculated", 2, "nodule", "spikes"),
        subtype("lobed", 1, "lobed", role="rare"),
        subtype("calcified", 1, "nodule", "calcified", role="strange"),
    ),
    paint,
    colour=False,
)
