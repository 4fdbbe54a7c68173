"""One observation as bytes: a JSON text, then the numbers and images that it only measures.

::

    size of the JSON text (32 bits, little-endian), the JSON text (ASCII, sorted keys), then the blobs:
    scores, the activations of each layer in sorted order, the crops, the maps and the vectors of all
    entries, and the sample as it was sent; all numbers as float32

The JSON text is ``{"sample": .., "entries": .., "negative": ..}``. ``sample`` holds the fields of a
:class:`~foveal.records.SampleRecord`, with the sizes of its blobs in place of numbers. ``entries`` holds the
fields of an :class:`~foveal.records.Entry` by column: ``count``; ``same``, the fields that all entries have
in common and do not share with the sample; ``each``, a list per other field. Crops are given by their size
in bytes, maps and vectors by their shape. ``negative`` is null or the fields of a
:class:`~foveal.records.Negative`, the sample's bytes by their size.

What later versions added (a sample's ``spacing``, the entries' ``band``) is left out where nothing is known.

Encoding is canonical: equal observations give equal bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import fields
from math import prod
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.records import Entry, Negative, Observation, SampleRecord

_SIZE = struct.Struct("<I")
_FLOAT = np.dtype("<f4")
#: What bytes of foreign making can raise when they are decoded, whatever their checksum says.
FOREIGN = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)


def encode_payload(observation: Observation) -> list[bytes]:
    """Write an observation, in pieces to be joined.

    Raises
    ------
    TypeError, ValueError
        If a field cannot be written as JSON or float32.
    """
    blobs: list[bytes] = []
    sample = _encode_sample(observation.sample, blobs)
    entries = _encode_entries(observation.entries, sample, blobs)
    negative = _encode_negative(observation.negative, blobs)
    text = json.dumps(
        {"sample": sample, "entries": entries, "negative": negative},
        sort_keys=True,
        separators=(",", ":"),
        default=methodcaller("item"),
    ).encode("ascii")
    return [_SIZE.pack(len(text)), text, *blobs]


def decode_payload(payload: memoryview) -> Observation:
    """Read an observation.

    Raises
    ------
    ValueError, KeyError, TypeError, ...
        Any of :data:`FOREIGN`, if the payload was not written by :func:`encode_payload`.
    """
    (size,) = _SIZE.unpack_from(payload)
    meta = json.loads(bytes(payload[_SIZE.size : _SIZE.size + size]))
    blobs = _Blobs(payload, _SIZE.size + size)
    sample = _decode_sample(meta["sample"], blobs)
    entries = _decode_entries(meta["entries"], meta["sample"], blobs)
    return Observation(sample, entries, _decode_negative(meta["negative"], blobs))


def _encode_negative(negative: Negative | None, blobs: list[bytes]) -> dict[str, Any] | None:
    if negative is None:
        return None
    blobs.append(bytes(negative.encoded))
    return {**vars(negative), "encoded": len(negative.encoded)}


def _decode_negative(meta: dict[str, Any] | None, blobs: _Blobs) -> Negative | None:
    if meta is None:
        return None
    boxes = {"frame": tuple(meta["frame"]), "side": tuple(meta["side"])}
    return Negative(**{**meta, **boxes, "encoded": bytes(blobs.take(meta["encoded"]))})


def _floats(values: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(values, dtype=_FLOAT)


def _encode_sample(sample: SampleRecord, blobs: list[bytes]) -> dict[str, Any]:
    activations = {layer: _floats(sample.activations[layer]) for layer in sorted(sample.activations)}
    scores = _floats(sample.scores)
    blobs.extend(array.tobytes() for array in (scores, *activations.values()))
    sizes = {layer: array.size for layer, array in activations.items()}
    plain = {name: getattr(sample, name) for name in _SAMPLE_PLAIN}
    if sample.spacing is None:
        del plain["spacing"]
    return {**plain, "scores": scores.size, "activations": sizes}


def _encode_entries(entries: Sequence[Entry], sample: dict[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    maps, vectors = ([_floats(getattr(entry, name)) for entry in entries] for name in ("map", "vector"))
    blobs.extend(bytes(entry.crop) for entry in entries)
    blobs.extend(array.tobytes() for array in (*maps, *vectors))
    columns = {name: [getattr(entry, name) for entry in entries] for name in _ENTRY_PLAIN}
    if not any(columns["band"]):
        del columns["band"]
    columns |= {
        "crop": [len(entry.crop) for entry in entries],
        "map": [map_.shape for map_ in maps],
        "vector": [vector.shape for vector in vectors],
    }
    same = {name: values[0] for name, values in columns.items() if name not in _OWN and _are_same(values)}
    each = {name: values for name, values in columns.items() if name not in same}
    own = {name: value for name, value in same.items() if name not in sample or sample[name] != value}
    return {"count": len(entries), "same": own, "each": each}


def _are_same(values: list[Any]) -> bool:
    """Tell whether a column has one value; of none or of one entry it has."""
    return bool(values) and all(value is values[0] or value == values[0] for value in values)


_BLOBS = {"scores", "activations", "crop", "map", "vector"}
#: The fields that go into the JSON text.
_SAMPLE_PLAIN = tuple(f.name for f in fields(SampleRecord) if f.name not in _BLOBS)
_ENTRY_PLAIN = tuple(f.name for f in fields(Entry) if f.name not in _BLOBS)


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
        "spacing": _numbers_or_none(meta.get("spacing")),
    }
    return SampleRecord(**own)


def _numbers_or_none(values: list[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))


def _decode_entries(meta: dict[str, Any], sample: dict[str, Any], blobs: _Blobs) -> tuple[Entry, ...]:
    count, common = meta["count"], {"band": None, **sample, **meta["same"]}
    each = meta["each"]
    columns = {name: each[name] if name in each else [common[name]] * count for name in _ENTRY_FIELDS}
    columns["crop"] = [bytes(blobs.take(size)) for size in columns["crop"]]
    for name in ("map", "vector"):
        columns[name] = [blobs.floats(shape) for shape in columns[name]]
    columns["window"] = [tuple(window) for window in columns["window"]]
    columns["band"] = [_numbers_or_none(band) for band in columns["band"]]
    columns["metadata"] = [dict(metadata) for metadata in columns["metadata"]]
    rows = zip(*columns.values(), strict=True)
    return tuple(Entry(**dict(zip(columns, row, strict=True))) for row in rows)


#: Fields of an entry that are its own, and numbers: 0.0 equals -0.0 and is not the same.
_OWN = {"id", "window", "activation", "share", "threshold", "band"}
_ENTRY_FIELDS = tuple(f.name for f in fields(Entry))
