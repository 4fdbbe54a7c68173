"""The bytes of a segment: frames, each of which can be told whole from torn and from damaged.

Format, version 2 (all integers little-endian, unsigned, 32 bits)::

    magic      F0 56 4C 32      never part of UTF-8 text, so that no metadata can imitate a frame
    size                        bytes of the payload
    payload's crc32
    header's crc32              over the twelve bytes before
    payload                     see foveal.spool.payload

The header has a checksum of its own, so that a frame which was cut off, or whose payload was changed, is
passed over as a whole: a payload holds what clients sent, and nothing in it may be taken for a frame. Only
where a header itself is damaged the next one is searched for. A later version gets another magic.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from foveal.records import Observation
from foveal.spool.payload import FOREIGN, decode_payload, encode_payload

MAGIC = b"\xf0VL2"
_HEADER = struct.Struct("<4sIII")
_HASHED = struct.Struct("<4sII")


@dataclass(frozen=True)
class Damage:
    """A stretch of a segment that holds no readable frame.

    Attributes
    ----------
    start, stop
        Half-open byte range.
    torn
        The stretch is the unfinished last frame of a killed writer, which was never acknowledged.
    """

    start: int
    stop: int
    torn: bool


def encode_frame(observation: Observation) -> bytes:
    """Write an observation as one frame.

    Raises
    ------
    TypeError, ValueError
        If a field cannot be written as JSON or float32.
    """
    parts = encode_payload(observation)
    checksum = reduce(lambda sum_, part: zlib.crc32(part, sum_), parts, 0)
    head = _HASHED.pack(MAGIC, sum(map(len, parts)), checksum)
    return b"".join((head, zlib.crc32(head).to_bytes(4, "little"), *parts))


def scan(data: bytes) -> Iterator[Observation | Damage]:
    """Walk through a segment's bytes; after a damaged stretch go on at the next whole header.

    Yields
    ------
    Observation or Damage
        In the order of the bytes. Nothing in ``data`` can make this raise.
    """
    start = 0
    while start < len(data):
        frame = _Frame.at(data, start)
        if frame is None:
            stop = _next_header(data, start + 1)
            yield Damage(start, stop, torn=stop == len(data) and _is_torn_header(data[start:]))
        else:
            stop = min(frame.stop, len(data))
            yield frame.read(data) or Damage(start, stop, torn=frame.stop > len(data))
        start = stop


@dataclass(frozen=True)
class _Frame:
    """A frame whose header is whole."""

    start: int
    stop: int
    checksum: int

    @classmethod
    def at(cls, data: bytes, offset: int) -> _Frame | None:
        """Read the header at an offset; nothing where there is none."""
        if data[offset : offset + 4] != MAGIC or len(data) - offset < _HEADER.size:
            return None
        _, size, checksum, own = _HEADER.unpack_from(data, offset)
        start = offset + _HEADER.size
        whole = zlib.crc32(data[offset : offset + _HASHED.size]) == own
        return cls(start, start + size, checksum) if whole else None

    def read(self, data: bytes) -> Observation | None:
        """Read the observation; nothing where it was cut off, changed, or is of foreign making."""
        payload = memoryview(data)[self.start : self.stop]
        if len(payload) != self.stop - self.start or zlib.crc32(payload) != self.checksum:
            return None
        try:
            return decode_payload(payload)
        except FOREIGN:
            return None


def _next_header(data: bytes, start: int) -> int:
    """Find the next offset with a whole header, or the end."""
    while (start := data.find(MAGIC, start)) >= 0:
        if _Frame.at(data, start) is not None:
            return start
        start += 1
    return len(data)


def _is_torn_header(rest: bytes) -> bool:
    """Tell a header that was cut off from one that was changed afterwards."""
    return len(rest) < _HEADER.size and rest[:4] == MAGIC[: len(rest)]
