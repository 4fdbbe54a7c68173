"""Crops for other programs: the library leaves their packing to Parquet, files of their own are packed."""

from __future__ import annotations

import io

from PIL import Image

#: What a picture that is none can raise.
_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def packed(crop: bytes) -> bytes:
    """Pack a PNG, the same pixels in fewer bytes; what is no PNG, or gains nothing, stays as it is."""
    try:
        with Image.open(io.BytesIO(crop), formats=("PNG",)) as picture:
            file = io.BytesIO()
            picture.save(file, "PNG", compress_level=6)
    except _BROKEN:
        return crop
    return min(crop, file.getvalue(), key=len)
