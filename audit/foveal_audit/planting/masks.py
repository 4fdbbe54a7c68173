"""How the truth is written: its file, and masks as text."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from foveal_audit.planting.canvas import SIZE, Mask

#: The file with all that is known about a case.
TRUTH = "truth.json"


def encode_mask(mask: Mask) -> str:
    """Write a mask (64, 64) as text: its packed bits, compressed, in base 64."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def decode_mask(text: str) -> Mask:
    """Read what :func:`encode_mask` wrote."""
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    return np.unpackbits(bits).reshape(SIZE, SIZE).astype(bool)
