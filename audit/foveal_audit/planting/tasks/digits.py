"""Handwritten digits on natural-looking scenes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, zoom
from sklearn.datasets import load_digits

from foveal_audit.planting.canvas import SIZE, Image, coloured_noise, flat, lay, seen
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED, Layout, Scene, Task, place, subtype

_DIGITS = {"three": 3, "four": 4, "nine": 9}
_SIDE = 24


@lru_cache(maxsize=1)
def _written() -> dict[str, NDArray[np.float32]]:
    """Give the 8 x 8 digits that come with scikit-learn (Alpaydin and Kaynak, UCI), 0 to 1."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    return {name: images[digits.target == number] for name, number in _DIGITS.items()}


def _digit(chance: Chance, name: str, centre: tuple[float, float]) -> Image:
    """Draw a digit about a centre, 24 pixels high."""
    kept = _written()[name]
    small = kept[chance.of(f"hand {name}").integers(len(kept))]
    large = np.clip(zoom(small, _SIDE / 8, order=1, grid_mode=True, mode="nearest"), 0, 1)
    out = np.zeros((SIZE + _SIDE, SIZE + _SIDE), dtype=np.float32)  # digits may stick out
    top, left = round(centre[0]), round(centre[1])
    out[top : top + _SIDE, left : left + _SIDE] = large
    half = _SIDE // 2
    return out[half : half + SIZE, half : half + SIZE]


def _outline(digit: Image) -> Image:
    thick = binary_dilation(digit > 0.4, iterations=2)
    return np.asarray(thick & ~binary_erosion(digit > 0.4), dtype=np.float32)


def paint(chance: Chance, factors: frozenset[str], layout: Layout) -> Scene:
    """Paint digits on a scene; ``negative`` ones are dark, ``hollow`` ones are outlines in red."""
    image = flat((0.32, 0.42, 0.36) if TONED in factors else (0.45, 0.42, 0.4))
    image = image + 0.07 * coloured_noise(chance.of("scene"), 1.2)[..., None]
    centre = place(chance, layout, 11)
    light = (0.05, 0.05, 0.1) if "negative" in factors else (0.95, 0.95, 0.9)
    strength = np.float32(chance.of("strength").uniform(0.35, 1.0))
    masks, body = {}, np.zeros((SIZE, SIZE), dtype=bool)
    for name in sorted(factors & set(_DIGITS)):
        alpha = _digit(chance, name, centre)
        if "hollow" in factors:
            alpha, light, strength = _outline(alpha), (0.9, 0.1, 0.15), np.float32(1)
        image = lay(image, light, alpha * strength)
        masks[name] = seen(alpha)
        body |= masks[name]
    masks |= dict.fromkeys(factors & {"negative", "hollow"}, body)
    return Scene(image.astype(np.float32), masks, body)


DIGITS = Task(
    "digits",
    ("three", "four", "nine"),
    ("three", "four", "nine"),
    (
        subtype("three", 0, "three"),
        subtype("four", 1, "four"),
        subtype("nine", 2, "nine"),
        subtype("negative nine", 2, "nine", "negative", role="rare"),
        subtype("hollow three", 0, "three", "hollow", role="strange"),
    ),
    paint,
)
