"""The bytes of one spooled observation.

Format, version 1 (all integers little-endian, unsigned, 32 bits)::

    magic  F0 56 4C 31      never part of UTF-8 text, so that no metadata can imitate a frame
    size                    bytes of the payload
    crc32                   over size and payload
    payload
        size of the JSON text, the JSON text (ASCII, sorted keys), then the blobs one after the other:
        scores, the activations of each layer in sorted order, and per entry its crop, map and vector;
        all numbers as float32. The JSON text holds every other field and the shapes of the blobs.
        An entry leaves out the fields that it shares with its sample.

Encoding is canonical: equal observations give equal bytes. A later version gets another magic.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import prod
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.records import Entry, Observation, SampleRecord

MAGIC = b"\xf0VL1"
_HEADER = struct.Struct("<4sII")
_SIZE = struct.Struct("<I")
_FLOAT = np.dtype("<f4")
#: What a payload with a right checksum but of foreign making can raise when it is decoded.
FOREIGN = (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error)


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
    blobs: list[bytes] = []
    sample = _encode_sample(observation.sample, blobs)
    entries = [_encode_entry(entry, sample, blobs) for entry in observation.entries]
    text = json.dumps(
        {"sample": sample, "entries": entries},
        sort_keys=True,
        separators=(",", ":"),
        default=methodcaller("item"),
    ).encode("ascii")
    payload = b"".join((_SIZE.pack(len(text)), text, *blobs))
    return _HEADER.pack(MAGIC, len(payload), _checksum(payload)) + payload


def decode_payload(payload: memoryview) -> Observation:
    """Read an observation from a frame's payload.

    Raises
    ------
    ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error
        If the payload was not written by :func:`encode_frame`.
    """
    (size,) = _SIZE.unpack_from(payload)
    meta = json.loads(bytes(payload[_SIZE.size : _SIZE.size + size]))
    blobs = _Blobs(payload, _SIZE.size + size)
    shared = dict(meta["sample"])
    sample = _decode_sample(meta["sample"], blobs)
    return Observation(sample, tuple(_decode_entry({**shared, **entry}, blobs) for entry in meta["entries"]))


def scan(data: bytes) -> Iterator[Observation | Damage]:
    """Walk through a segment's bytes; after a damaged stretch go on at the next whole frame.

    Yields
    ------
    Observation or Damage
        In the order of the bytes. Nothing in ``data`` can make this raise.
    """
    start = 0
    while start < len(data):
        found = _read_frame(data, start)
        if found is None:
            stop = _next_frame(data, start + 1)
            yield Damage(start, stop, torn=stop == len(data) and _is_torn(data, start))
            start = stop
        else:
            observation, start = found
            yield observation


def _checksum(payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(_SIZE.pack(len(payload))))


def _read_frame(data: bytes, start: int) -> tuple[Observation, int] | None:
    """Read the frame at an offset and say where the next one starts."""
    payload = _checked_payload(data, start)
    if payload is None:
        return None
    try:
        return decode_payload(payload), start + _HEADER.size + len(payload)
    except FOREIGN:
        return None


def _checked_payload(data: bytes, start: int) -> memoryview | None:
    if len(data) - start < _HEADER.size:
        return None
    magic, size, checksum = _HEADER.unpack_from(data, start)
    payload = memoryview(data)[start + _HEADER.size : start + _HEADER.size + size]
    whole = magic == MAGIC and len(payload) == size and _checksum(payload) == checksum
    return payload if whole else None


def _next_frame(data: bytes, start: int) -> int:
    """Find the next offset with a whole frame, or the end."""
    while (start := data.find(MAGIC, start)) >= 0:
        if _checked_payload(data, start) is not None:
            return start
        start += 1
    return len(data)


def _is_torn(data: bytes, start: int) -> bool:
    """Tell a frame that was cut off from one that was changed afterwards."""
    head = data[start : start + _HEADER.size]
    if len(head) < _HEADER.size:
        return head[:4] == MAGIC[: len(head)]
    magic, size, _ = _HEADER.unpack(head)
    return bool(magic == MAGIC and start + _HEADER.size + size > len(data))


def _floats(values: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(values, dtype=_FLOAT)


def _encode_sample(sample: SampleRecord, blobs: list[bytes]) -> dict[str, Any]:
    activations = {layer: _floats(sample.activations[layer]) for layer in sorted(sample.activations)}
    scores = _floats(sample.scores)
    blobs.extend(array.tobytes() for array in (scores, *activations.values()))
    sizes = {layer: array.size for layer, array in activations.items()}
    return {**_plain(sample), "scores": scores.size, "activations": sizes}


def _encode_entry(entry: Entry, sample: dict[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    map_, vector = _floats(entry.map), _floats(entry.vector)
    blobs.extend((bytes(entry.crop), map_.tobytes(), vector.tobytes()))
    own = {key: value for key, value in _plain(entry).items() if key not in sample or sample[key] != value}
    return {**own, "crop": len(entry.crop), "map": map_.shape, "vector": vector.shape}


_BLOBS = {"scores", "activations", "crop", "map", "vector"}


def _plain(record: SampleRecord | Entry) -> dict[str, Any]:
    """Give the fields that go into the JSON text."""
    return {f.name: getattr(record, f.name) for f in fields(record) if f.name not in _BLOBS}


class _Blobs:
    """Takes the blobs from a payload, one after the other."""

    def __init__(self, payload: memoryview, start: int) -> None:
        self._payload = payload
        self._at = start

    def take(self, size: int) -> memoryview:
        blob = self._payload[self._at : self._at + size]
        if size < 0 or len(blob) != size:
            raise ValueError("the payload is shorter than its text says")
        self._at += size
        return blob

    def floats(self, shape: list[int]) -> NDArray[np.float32]:
        flat = np.frombuffer(self.take(prod(shape) * _FLOAT.itemsize), dtype=_FLOAT)
        return flat.reshape(shape).astype(np.float32)

    def numbers(self, size: int) -> tuple[float, ...]:
        return tuple(self.floats([size]).tolist())


def _decode_sample(meta: dict[str, Any], blobs: _Blobs) -> SampleRecord:
    scores = blobs.floats([meta["scores"]])
    activations = {layer: tuple(blobs.floats([size]).tolist()) for layer, size in meta["activations"].items()}
    own = {
        **meta,
        "shape": tuple(meta["shape"]),
        "scores": tuple(scores.tolist()),
        "activations": activations,
    }
    return SampleRecord(**own)


_ENTRY_FIELDS = tuple(f.name for f in fields(Entry))


def _decode_entry(meta: dict[str, Any], blobs: _Blobs) -> Entry:
    own = {name: meta[name] for name in _ENTRY_FIELDS}
    own["window"] = tuple(meta["window"])
    own["metadata"] = dict(meta["metadata"])
    own["crop"] = bytes(blobs.take(meta["crop"]))
    own["map"], own["vector"] = blobs.floats(meta["map"]), blobs.floats(meta["vector"])
    return Entry(**own)
