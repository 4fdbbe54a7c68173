"""Harmless changes of a picture: slight compression and another brightness.

What production shows after such a change, training holds: copies of training pictures that were changed so
count as training wherever production is told from training.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from foveal.samples.images import Pixels

#: Range of the factor of brightness, and of the quality of JPEG.
_BRIGHTNESS, _QUALITY = (0.95, 1.05), (85, 96)


def harmless_copy(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Change a picture slightly.

    Parameters
    ----------
    pixels
        (H, W, C) of 8 or 16 bits. One or three channels of 8 bits are also compressed; all others become
        brighter or darker alone, as JPEG cannot hold them.
    rng
        Draws the changes.
    """
    most = np.iinfo(pixels.dtype).max
    factor, quality = rng.uniform(*_BRIGHTNESS), int(rng.integers(*_QUALITY))
    brighter: Pixels = (
        np.clip(pixels.astype(np.float32) * np.float32(factor), 0, most).round().astype(pixels.dtype)
    )
    if pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
        return brighter
    return _compressed(brighter, quality)


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    grey = pixels.shape[2] == 1
    with io.BytesIO() as stream:
        Image.fromarray(pixels[..., 0] if grey else pixels).save(stream, "JPEG", quality=quality)
        again: Pixels = np.asarray(Image.open(stream), dtype=np.uint8)
    return again[..., None] if grey else again
