"""NIfTI-1 and NIfTI-2 volumes in one file, packed with gzip or not.

Read here and not by nibabel, which brings scipy into the serving worker wherever that is installed. Only the
numbers that describe the grid are looked at: ``descrip``, ``aux_file``, ``db_name`` and the extensions, where
tools write whole patient records, are not.
Sources: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, .../nifti2.h.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from foveal.errors import UsageError
from foveal.samples.kinds import Decoded
from foveal.samples.narrowing import check_count, rescaled

_GZIP = b"\x1f\x8b"
_MEND = "Save it as one .nii or .nii.gz file of whole or real numbers"
#: Bytes that are unpacked to find out what a packed file promises.
_HEAD = 4096

#: Where the fields lie: NumPy type and offset, by the header's length in bytes.
_FIELDS: dict[int, dict[str, tuple[str, int]]] = {
    348: {
        "dim": ("8i2", 40), "datatype": ("i2", 70), "pixdim": ("8f4", 76), "vox_offset": ("f4", 108),
        "scl_slope": ("f4", 112), "scl_inter": ("f4", 116), "xyzt_units": ("u1", 123), "magic": ("S4", 344),
    },
    540: {
        "dim": ("8i8", 16), "datatype": ("i2", 12), "pixdim": ("8f8", 104), "vox_offset": ("i8", 168),
        "scl_slope": ("f8", 176), "scl_inter": ("f8", 184), "xyzt_units": ("i4", 500), "magic": ("S8", 4),
    },
}  # fmt: skip
_MAGICS = (b"n+1", b"n+2\0\r\n\x1a\n")
#: NumPy type and values of each datatype.
_TYPES = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 64: ("f8", 1), 128: ("u1", 3), 256: ("i1", 1),
    512: ("u2", 1), 768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 2304: ("u1", 4),
}  # fmt: skip
#: Millimetres of the unit of length.
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass(frozen=True)
class _Header:
    """What the file says of its grid: `type` of the numbers, `parts` of a voxel, `dim` x, y, z and others."""

    type: np.dtype[Any]
    parts: int
    dim: tuple[int, ...]
    steps: tuple[float, ...]
    start: int
    slope: float
    intercept: float

    @property
    def count(self) -> int:
        """Count the numbers."""
        return prod(self.dim) * self.parts


def is_nifti(data: bytes) -> bool:
    """Tell whether bytes are a NIfTI file, packed or not."""
    head = _unpacked(data, _HEAD) if data.startswith(_GZIP) else data
    return _order(head) is not None


def decode_nifti(data: bytes, name: str) -> Decoded:
    """Read a volume (z, y, x, C) in the order of its voxels; further axes, as time, become channels.

    Voxels are taken as they are stored: the file's directions in space are *not* applied, as windows count
    stored voxels. Scaling is: float32, or int16 where that loses nothing. What is not a number becomes 0.

    Raises
    ------
    UsageError
        If the file is damaged, cut short, too large, or holds complex numbers; names the sample.
    """
    packed = data.startswith(_GZIP)
    header = _read_header(_unpacked(data, _HEAD) if packed else data, name)
    check_count(header.count, name)
    end = header.start + header.count * header.type.itemsize
    whole = _unpacked(data, end) if packed else data
    if len(whole) < end:
        raise UsageError(f"Sample {name!r} is NIfTI that is cut short", "Send the whole file")
    flat = np.frombuffer(whole, header.type, header.count, header.start)
    x, y, z, *others = (*header.dim, 1, 1, 1)[: max(3, len(header.dim))]
    grid = flat.reshape(prod(others), z, y, x, header.parts)
    values = np.ascontiguousarray(np.moveaxis(grid, 0, 3).reshape(z, y, x, -1))
    return Decoded(rescaled(values, header.slope, header.intercept, name), spacing=header.steps[2::-1])


def _order(head: bytes) -> tuple[int, str] | None:
    """Find the header's length and byte order; None where this is no NIfTI."""
    for length, fields in _FIELDS.items():
        for order in "<>":
            if len(head) >= length and int(np.frombuffer(head, f"{order}i4", 1)[0]) == length:
                kind, offset = fields["magic"]
                found = bytes(head[offset : offset + np.dtype(kind).itemsize])
                return (length, order) if found.startswith(_MAGICS) else None
    return None


def _read_header(head: bytes, name: str) -> _Header:
    found = _order(head)
    if found is None:
        raise UsageError(f"Sample {name!r} is no NIfTI", _MEND)
    length, order = found
    read = {key: _field(head, order + kind, offset) for key, (kind, offset) in _FIELDS[length].items()}
    axes, *sizes = (int(size) for size in read["dim"])
    known = _TYPES.get(int(read["datatype"]))
    start = float(read["vox_offset"])
    if known is None or not 1 <= axes <= 7 or min(sizes[:axes]) < 1 or not length <= start < 2**40:
        raise UsageError(f"Sample {name!r} is NIfTI with a header that cannot be read", _MEND)
    return _Header(
        type=np.dtype(order + known[0]),
        parts=known[1],
        dim=tuple(sizes[:axes]),
        steps=_steps(read, axes),
        start=int(start),
        slope=float(read["scl_slope"]),
        intercept=float(read["scl_inter"]),
    )


def _field(head: bytes, kind: str, offset: int) -> Any:  # noqa: ANN401 - a number, several, or bytes
    order, form = kind[0], kind[1:]
    if form[0] == "8":
        return np.frombuffer(head, order + form[1:], 8, offset)
    return np.frombuffer(head, order + form if form[0] != "S" else form, 1, offset)[0]


def _steps(read: dict[str, Any], axes: int) -> tuple[float, ...]:
    """Give the steps along x, y and z in millimetres; none where they or their unit are unknown."""
    unit = _MILLIMETRES.get(int(read["xyzt_units"]) & 7)
    steps = tuple(abs(float(step)) * (unit or 0) for step in read["pixdim"][1:4])
    return steps if axes >= 3 and all(0 < step < np.inf for step in steps) else ()


def _unpacked(data: bytes, most: int) -> bytes:
    """Unpack the first bytes of a gzip file, no more of them than asked for; what is damaged ends early."""
    parts, got = [], 0
    while data.startswith(_GZIP) and got < most:
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            part = unpack.decompress(data, most - got)
        except zlib.error:
            break
        parts.append(part)
        got += len(part)
        data = unpack.unused_data if part or unpack.eof else b""
    return b"".join(parts)
