"""Harmless changes of a sample: slight compression or noise, and another brightness or gain.

What production shows after such a change, training holds: copies of training pictures that were changed so
count as training wherever production is told from training.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from foveal.samples.values import Values, axes_of
from foveal_audit.judgement.filling import like

#: Range of the factor of brightness, and of the quality of JPEG.
_BRIGHTNESS, _QUALITY = (0.95, 1.05), (85, 96)
#: Noise of what is no picture, in standard deviations of the sample.
_NOISE = 0.01


def harmless_copy(pixels: Values, rng: np.random.Generator) -> Values:
    """Change a sample slightly.

    Parameters
    ----------
    pixels
        (*S, C). Pictures of one or three channels of 8 bits are also compressed; other pictures become
        brighter or darker alone, as JPEG cannot hold them; traces and volumes get slight noise instead.
    rng
        Draws the changes.
    """
    factor, quality = rng.uniform(*_BRIGHTNESS), int(rng.integers(*_QUALITY))
    numbers = pixels.astype(np.float32, subok=False) * np.float32(factor)
    if axes_of(pixels) != 2:
        return like(numbers + rng.normal(0, _NOISE * float(numbers.std()), numbers.shape), pixels)
    brighter = like(numbers, pixels)
    if pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
        return brighter
    return _compressed(brighter, quality)


def _compressed(pixels: Values, quality: int) -> Values:
    grey = pixels.shape[2] == 1
    with io.BytesIO() as stream:
        Image.fromarray(pixels[..., 0] if grey else pixels).save(stream, "JPEG", quality=quality)
        again: Values = np.asarray(Image.open(stream), dtype=np.uint8)
    return again[..., None] if grey else again
