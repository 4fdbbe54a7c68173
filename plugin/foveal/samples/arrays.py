"""Samples and crops as bytes: PNG where a picture holds them without loss, else NumPy's own format."""

from __future__ import annotations

import io
from math import prod

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from foveal.errors import UsageError
from foveal.samples.images import decode_image
from foveal.samples.png import stored_png
from foveal.samples.values import FULL_SCALE, Values

MAGIC = b"\x93NUMPY"

#: Types and channels of what a PNG gives back as it was; Pillow reads 16 bits of grey only.
_IN_PNG = {(np.dtype(np.uint8), channels) for channels in (1, 3, 4)} | {(np.dtype(np.uint16), 1)}


def encode_array(values: Values) -> bytes:
    """Write values (*S, C) without loss and without compression."""
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(values), allow_pickle=False)
    return out.getvalue()


def encode_crop(values: Values) -> bytes:
    """Write a part (*s, C) of a sample without loss: as PNG where it is a picture, else as an array."""
    picture = values.ndim == 3 and (values.dtype, values.shape[-1]) in _IN_PNG
    return stored_png(values) if picture else encode_array(values)


def decode_sample(data: bytes, name: str) -> Values:
    """Read values (*S, C) from an image's bytes or from :func:`encode_array`'s.

    Raises
    ------
    UsageError
        If they are neither; names the sample.
    """
    return _decode_array(data, name) if data.startswith(MAGIC) else decode_image(data, name)


def decode_crop(data: bytes, name: str) -> Values:
    """Read what :func:`encode_crop` wrote."""
    return decode_sample(data, name)


def crop_suffix(data: bytes) -> str:
    """Say how a file of what :func:`encode_crop` wrote is called."""
    return ".npy" if data.startswith(MAGIC) else ".png"


def array_header(data: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Read the header of an array: its shape, whether columns come first, its type, and where values begin.

    Raises
    ------
    UsageError
        If there is no such header, or it promises other than what follows it; names the sample. So memory is
        taken only for what is there.
    """
    try:
        stream = io.BytesIO(data)
        shape, fortran, kind = _HEADERS[read_magic(stream)](stream)
    except (ValueError, KeyError, EOFError, TypeError, SyntaxError) as error:
        raise UsageError(f"Sample {name!r} cannot be read as an array: {error}", "Send it again") from None
    held = len(data) - stream.tell()
    if kind.hasobject or min(shape, default=0) <= 0 or held != prod(shape) * kind.itemsize:
        raise UsageError(
            f"Sample {name!r} is an array {shape} of {kind} in {held} bytes",
            "Give numbers, at least one along every axis, whole",
        )
    return shape, fortran, kind, stream.tell()


def _decode_array(data: bytes, name: str) -> Values:
    shape, fortran, kind, start = array_header(data, name)
    if not 2 <= len(shape) <= 4 or fortran or kind not in FULL_SCALE:
        raise UsageError(
            f"Sample {name!r} is an array {shape} of {kind}",
            "Give one to three axes and channels, of uint8, uint16, int16 or float32",
        )
    values: Values = np.frombuffer(data, kind, offset=start).reshape(shape)
    return values


_HEADERS = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
