"""Letters and digits of dots: the same pixels with every version of every font library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Three by five dots, a row a digit in octal.
_ROWS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757",
    "7": "71222", "8": "75757", "9": "75717", "A": "25755", "C": "74447", "E": "74647", "H": "55755",
    "K": "55655", "L": "44447", "P": "75744", "R": "75765", "T": "72222", "X": "55255", "-": "00700",
}  # fmt: skip

#: Everything that can be written.
CHARACTERS = "".join(_ROWS)


def _glyph(character: str) -> NDArray[np.float32]:
    rows = [[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in _ROWS[character]]
    return np.array(rows, dtype=np.float32)


def write(text: str, zoom: int = 1) -> NDArray[np.float32]:
    """Write a text as ones on zeros, five dots high, every dot ``zoom`` pixels large."""
    gap = np.zeros((5, 1), dtype=np.float32)
    parts = [part for character in text for part in (_glyph(character), gap)]
    return np.asarray(np.kron(np.hstack(parts[:-1]), np.ones((zoom, zoom))), dtype=np.float32)
