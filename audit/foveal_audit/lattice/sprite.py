"""Many small pictures as one WebP without loss, rounded only as far as a size budget asks for."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from foveal_audit.generators.pictures import Pictures


@dataclass(frozen=True)
class Sprite:
    """Tiles in rows and columns of one picture.

    Attributes
    ----------
    data
        The WebP file, lossless.
    columns
        Tiles in a row.
    deviation
        How many of 255 levels a stored value may be off at most; 0 where nothing was rounded.
    """

    data: bytes
    columns: int
    deviation: int


def make_sprite(pictures: Pictures, columns: int, grade: int) -> Sprite:
    """Lay pictures (n, h, w, 3) out and encode them.

    Parameters
    ----------
    pictures
        Their sheet may be 16383 pixels wide and high at most, which is the format's limit.
    columns
        Tiles in a row.
    grade
        Values are rounded to multiples of it: 1 changes nothing, 4 moves a value by 2 at most.
    """
    rounded = ((pictures.astype(np.int32) + grade // 2) // grade * grade).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(_sheet(rounded, columns)).save(buffer, "WEBP", lossless=True, quality=80, method=4)
    return Sprite(buffer.getvalue(), columns, grade // 2)


def _sheet(pictures: Pictures, columns: int) -> Pictures:
    n, height, width, channels = pictures.shape
    rows = math.ceil(n / columns)
    padded = np.zeros((rows * columns, height, width, channels), np.uint8)
    padded[:n] = pictures
    grid = padded.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)
