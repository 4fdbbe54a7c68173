"""Samples that no image file holds: pixels in NumPy's own format, and either form back to pixels."""

from __future__ import annotations

import io
from math import prod

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from foveal.errors import UsageError
from foveal.samples.images import Pixels, decode_image

_MAGIC = b"\x93NUMPY"
_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


def encode_array(pixels: Pixels) -> bytes:
    """Write pixels (H, W, C) without loss and without compression."""
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(pixels), allow_pickle=False)
    return out.getvalue()


def decode_sample(data: bytes, name: str) -> Pixels:
    """Read pixels (H, W, C) from an image's bytes or from :func:`encode_array`'s.

    Raises
    ------
    UsageError
        If they are neither; names the sample.
    """
    return _decode_array(data, name) if data.startswith(_MAGIC) else decode_image(data, name)


def _decode_array(data: bytes, name: str) -> Pixels:
    try:
        stream = io.BytesIO(data)
        version = read_magic(stream)
        shape, fortran, kind = _HEADERS[version](stream)
    except (ValueError, KeyError, EOFError) as error:
        raise UsageError(f"Sample {name!r} cannot be read as an array: {error}", "Send it again") from None
    # Checked before any memory is taken: the header may claim anything.
    size = prod(shape) * kind.itemsize
    if len(shape) != 3 or fortran or kind not in _TYPES or len(data) - stream.tell() != size or not size:
        raise UsageError(
            f"Sample {name!r} is an array {shape} of {kind}",
            "Give (height, width, channels) of uint8 or uint16, whole",
        )
    pixels: Pixels = np.frombuffer(data, kind, offset=stream.tell()).reshape(shape)
    return pixels


_HEADERS = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
