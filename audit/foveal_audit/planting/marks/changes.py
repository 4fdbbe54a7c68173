"""Marks without a place: what a camera or a file format does to all pixels."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from foveal_audit.planting.canvas import Image

#: From an image (64, 64, C) in 0 to 1 and a strength, 0 to 1, to the changed image.
Change = Callable[[np.random.Generator, Image, float], Image]


def noise(rng: np.random.Generator, image: Image, strength: float) -> Image:
    """Add the noise of a dark scene."""
    return np.asarray(image + 0.12 * strength * rng.normal(size=image.shape), dtype=np.float32)


def blur(rng: np.random.Generator, image: Image, strength: float) -> Image:  # noqa: ARG001 - one signature
    """Lose focus."""
    return np.asarray(gaussian_filter(image, (1.4 * strength, 1.4 * strength, 0)), dtype=np.float32)


def jpeg(rng: np.random.Generator, image: Image, strength: float) -> Image:  # noqa: ARG001
    """Compress: strength 1 leaves blocks that can be seen, .1 next to nothing."""
    grey = image.shape[2] == 1
    pixels = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    with io.BytesIO() as stream:
        picture = Pillow.fromarray(pixels[..., 0] if grey else pixels)
        picture.save(stream, "JPEG", quality=round(100 - 85 * strength))
        again = np.asarray(np.asarray(Pillow.open(stream)) / 255, dtype=np.float32)
    return again[..., None] if grey else again


CHANGES: dict[str, Change] = {"noise": noise, "blur": blur, "jpeg": jpeg}
