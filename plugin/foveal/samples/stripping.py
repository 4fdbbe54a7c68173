"""PNG and JPEG files without what they say beside the picture: EXIF, XMP, profiles, comments, thumbnails.

Nothing is packed anew: parts of the file that carry pixels stay as they are, so the picture does too.
Sources: https://www.w3.org/TR/png-3/ (chunks), ITU-T T.81 annex B (markers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
#: Chunks that decide on the pixels.
_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_JPEG = b"\xff\xd8"
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
#: Markers of application segments; of two of them a part decides on the colours.
_APPLICATION = range(0xE0, 0xF0)
#: The bytes of application segments that are kept: JFIF's without a thumbnail, Adobe's about colours.
_KEPT = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12)}
#: Markers without a length.
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})


def stripped(data: bytes) -> bytes | None:
    """Give a PNG or JPEG file without anything beside its picture.

    Returns
    -------
    bytes or None
        None where the bytes are neither, or are not put together as the formats say.
    """
    for magic, parts in ((_PNG, _png_parts), (_JPEG, _jpeg_parts)):
        if data.startswith(magic):
            try:
                return b"".join([magic, *parts(data)])
            except (struct.error, ValueError, IndexError):
                return None
    return None


def _png_parts(data: bytes) -> Iterator[bytes]:
    place = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise ValueError("a chunk ends after the file")
        if kind in _CHUNKS:
            yield data[place:end]
        if kind == b"IEND":
            return
        place = end


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    place = len(_JPEG)
    while True:
        if data[place] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        end = place + 2 + (0 if marker in _ALONE else struct.unpack_from(">H", data, place + 2)[0])
        if marker == _EOI:
            yield data[place:end]
            return
        if marker == _SOS:
            end = _end_of_scan(data, end)
        yield _kept(marker, data[place:end])
        place = end


def _kept(marker: int, segment: bytes) -> bytes:
    """Give what is kept of a segment, its length put right."""
    if marker == _COM:
        return b""
    if marker not in _APPLICATION:
        return segment
    start, length = _KEPT.get(marker, (b"", 0))
    content = segment[4 : 4 + length]
    if not length or not content.startswith(start) or len(content) < length:
        return b""
    if marker == _APPLICATION.start:
        content = content[:-2] + b"\0\0"  # a thumbnail of no width and height
    return segment[:2] + struct.pack(">H", length + 2) + content


def _end_of_scan(data: bytes, place: int) -> int:
    """Find the marker that ends packed pixels; 0xFF before 0, or before a restart, does not."""
    while True:
        place = data.index(b"\xff", place)
        if data[place + 1] != 0 and not 0xD0 <= data[place + 1] <= 0xD7:
            return place
        place += 2
