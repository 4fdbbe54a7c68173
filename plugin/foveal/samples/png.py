"""PNG files that are filtered but not packed, for stores that pack them together.

Packing each crop by itself takes ten times as long as all else that is done to it, and a table that packs
whole columns (Parquet with zstd) makes them smaller still. Any reader of PNG reads them; Pillow's own writer
cannot leave out the packing without choosing filters by trial, which is what takes its time.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: PNG's colour types by the number of channels: grey, colour, colour with alpha.
_COLOUR = {1: 0, 3: 2, 4: 6}
#: Each row as its difference from the row above: no multiplications, and crops of photographs like it.
_UP = 2


def stored_png(pixels: Pixels) -> bytes:
    """Write pixels (H, W, C), C = 1, 3 or 4, as a PNG of PNG specification 1.2 without compression.

    Lossless: :func:`foveal.samples.decode_image` gives the same array back.
    """
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR[channels], 0, 0, 0)
    content = zlib.compress(_filtered(pixels).tobytes(), level=0)
    parts = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _filtered(pixels: Pixels) -> NDArray[np.uint8]:
    """Put each row behind the number of its filter, values of 16 bits with the high byte first."""
    ordered = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    rows = ordered.reshape(len(pixels), -1).view(np.uint8)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big")
