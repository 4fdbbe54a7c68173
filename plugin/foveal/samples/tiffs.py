"""TIFF that Pillow cannot give as it is: more than four channels, colours of more than 8 bits, real numbers.

The first picture alone is read, and of its tags those alone that describe the grid.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.samples.formats import reading
from foveal.samples.kinds import Decoded
from foveal.samples.narrowing import check_count, narrowed

if TYPE_CHECKING:
    from tifffile import TiffPage

_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Compressions that are read: none, and the two numbers of deflate.
_NONE, _DEFLATE = 1, (8, 32946)
#: Whole numbers without sign, in the tag of the numbers' form.
_UNSIGNED = 1
#: Photometric interpretation of colours in a table, which Pillow reads.
_PALETTE = 3


def is_wide_tiff(data: bytes) -> bool:
    """Tell whether bytes are a TIFF that Pillow would refuse or bring down to 8 bits."""
    if not data.startswith(_MAGICS):
        return False
    try:
        return _is_wide(_first(data))
    except Exception:  # noqa: BLE001 - whatever is wrong, or not installed, Pillow is asked and says what
        return False


def decode_tiff(data: bytes, name: str) -> Decoded:
    """Read the first picture of such a TIFF, (H, W, C).

    Raises
    ------
    UsageError
        If it is damaged, too large or packed in a way that is not read; names the sample.
    """
    with reading(name, "TIFF", "medical"):
        page = _first(data)
        check_count(int(np.prod(page.shape)), name)
        _check_packing(page, data, name)
        return Decoded(narrowed(_channels_last(page.asarray(), page), name))


def _first(data: bytes) -> TiffPage:
    from tifffile import TiffFile, TiffPage  # noqa: PLC0415 - only those who read such files need it

    page = TiffFile(io.BytesIO(data)).pages.first
    if not isinstance(page, TiffPage):
        raise TypeError("the first picture has no tags")
    return page


def _is_wide(page: TiffPage) -> bool:
    if int(page.photometric) == _PALETTE:
        return False
    deep = page.bitspersample > 8
    unsigned = int(page.sampleformat) == _UNSIGNED
    return page.samplesperpixel > 4 or (deep and (page.samplesperpixel > 1 or not unsigned))


def _check_packing(page: TiffPage, data: bytes, name: str) -> None:
    """Refuse what is packed otherwise, or unpacks to more than the picture has room for."""
    if int(page.compression) not in (_NONE, *_DEFLATE):
        raise UsageError(
            f"Sample {name!r} is TIFF of compression {int(page.compression)}",
            "Save it with deflate or unpacked",
        )
    if int(page.compression) in _DEFLATE:
        most = page.nbytes
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
            if len(zlib.decompressobj().decompress(data[start : start + length], most + 1)) > most:
                raise UsageError(
                    f"Sample {name!r} unpacks to more than its size", "Send the file as it was saved"
                )


def _channels_last(array: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    if array.ndim == 2:
        return array[..., None]
    if array.ndim != 3:
        raise ValueError(f"it has {array.ndim} axes")
    return array if page.axes.endswith("S") else np.moveaxis(array, 0, -1)
