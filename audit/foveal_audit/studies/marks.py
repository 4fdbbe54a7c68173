"""What the scanners of the made-up sites burn into their pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Five by seven dot glyphs, drawn twice as large: the same pixels with every version of every font library.
_GLYPHS = {
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "A": ("01110", "10001", "10001", "11111", "10001", "10001", "10001"),
    "P": ("11110", "10001", "10001", "11110", "10000", "10000", "10000"),
}

#: Where the marks lie, y0, x0, y1, x1: the truth an audit's windows are held against.
MARKER_BOX = (3, 66, 33, 94)
DECOY_BOX = (78, 3, 94, 28)


def _glyph(letter: str) -> NDArray[np.float32]:
    dots = np.array([[float(dot) for dot in row] for row in _GLYPHS[letter]], dtype=np.float32)
    return np.kron(dots, np.ones((2, 2), dtype=np.float32))


def _stamp(image: NDArray[np.float32], mark: NDArray[np.float32], y: int, x: int, level: float) -> None:
    height, width = mark.shape
    part = image[y : y + height, x : x + width]
    np.copyto(part, np.float32(level), where=mark > 0)


def _marker(image: NDArray[np.float32], level: float) -> None:
    """Letter R and a ruler with ticks, top right."""
    _stamp(image, _glyph("R"), 5, 68, level)
    ruler = np.zeros((26, 7), dtype=np.float32)
    ruler[:, 5:] = 1
    ruler[::5, :] = 1
    _stamp(image, ruler, 5, 85, level)


def _decoy(image: NDArray[np.float32], level: float) -> None:
    """Letters AP, bottom left."""
    _stamp(image, _glyph("A"), 79, 4, level)
    _stamp(image, _glyph("P"), 79, 16, level)


_BURNT_IN = {"B": _marker, "C": _decoy}


def burn_in(image: NDArray[np.float32], site: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the image as the scanner of ``site`` stores it, its mark at a slightly varying brightness."""
    level = float(rng.uniform(0.8, 1.0))
    out = image.astype(np.float32)
    if site in _BURNT_IN:
        _BURNT_IN[site](out, level)
    return out
