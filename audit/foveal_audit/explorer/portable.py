"""PNG files without a detour: pictures of few colours written, and crops that can be sent as they are.

Pillow needs a tenth of a millisecond for a small picture, most of it around the encoding itself; a screen of
the library has a hundred and fifty.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED, _EIGHT = 3, 8
#: Colour types that are shown as they are, and their channels: grey, and RGB.
_CHANNELS = {0: 1, 2: 3}
_FILTERS = 5
_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def indexed_png(numbers: NDArray[np.uint8], palette: bytes, opacity: bytes) -> bytes:
    """Write a picture of numbers of colours.

    Parameters
    ----------
    numbers
        (h, w), each a place in the palette.
    palette, opacity
        Three bytes and one byte of each colour.
    """
    height, width = numbers.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = numbers
    return (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _EIGHT, _INDEXED, 0, 0, 0))
        + _colours(palette, opacity)
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1))
        + _END
    )


def plain_size(data: bytes, largest: int) -> tuple[int, int] | None:
    """Say how wide and high a PNG is that any browser shows as the pixels are; None for any other bytes.

    Parameters
    ----------
    largest
        Longest side.

    Returns
    -------
    tuple or None
        For 8 bits, grey or RGB, not interlaced, nothing else in the file, every pixel there and undamaged.
    """
    try:
        (kind, header), *pixels = _chunks(data)
        width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    except (ValueError, struct.error):
        return None
    fits = 0 < width <= largest and 0 < height <= largest
    if kind != b"IHDR" or depth != _EIGHT or colour not in _CHANNELS or any(rest) or not fits:
        return None
    if [name for name, _ in pixels] != [b"IDAT"] * (len(pixels) - 1) + [b"IEND"]:
        return None
    line = 1 + width * _CHANNELS[colour]
    return (width, height) if _is_whole(b"".join(own for _, own in pixels), height, line) else None


def _is_whole(packed: bytes, height: int, line: int) -> bool:
    """Say whether bytes hold so many lines of so many bytes, with filters that exist, and no more."""
    unpacking = zlib.decompressobj()
    try:
        lines = unpacking.decompress(packed, height * line + 1)
    except zlib.error:
        return False
    done = unpacking.eof and not unpacking.unused_data and len(lines) == height * line
    return done and max(lines[::line]) < _FILTERS


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the parts of a PNG; ``ValueError`` where it is none, or damaged."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    at = len(_SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        own, end = data[at + 8 : at + 8 + length], at + 8 + length
        if struct.unpack_from(">I", data, end)[0] != zlib.crc32(kind + own):
            raise ValueError("damaged")
        yield kind, own
        at = end + 4


@lru_cache(maxsize=8)
def _colours(palette: bytes, opacity: bytes) -> bytes:
    return _chunk(b"PLTE", palette) + _chunk(b"tRNS", opacity)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
