"""Images in and out: bytes to pixels and pixels to PNG, for files nobody has vouched for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from foveal.errors import UsageError

#: Height, width, channels (1 grey, 3 colour, 4 colour with alpha); 8 or 16 bits a value.
Pixels: TypeAlias = "NDArray[np.uint8] | NDArray[np.uint16]"

#: Decoders that may see foreign bytes; Pillow has dozens more, each a risk of its own.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")

#: What a file of these formats is called.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pnm"}
)

#: Largest image that is decoded; its size is read from the header, before any memory is taken.
MAX_PIXELS = 2**26

#: Pillow's modes that become 8-bit pixels, and the mode that each is converted to first.
_EIGHT_BIT = {
    "1": "L",
    "L": "L",
    "LA": "RGBA",
    "La": "RGBA",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}
_INTEGER = {"I", "I;16", "I;16L", "I;16B", "I;16N"}


def decode_image(data: bytes, name: str, also: Sequence[str] = ()) -> Pixels:
    """Decode the first frame of an image.

    Pixels are taken as they are stored: an EXIF orientation is *not* applied, because neither TorchServe's
    image handlers nor torchvision's image folders apply it, and windows count in stored pixels.

    Parameters
    ----------
    data
        The bytes of the file or of the request.
    name
        What to call the sample in an error.
    also
        What an error is to name beside :data:`FORMATS`, as others read it.

    Returns
    -------
    Pixels
        Array (H, W, C), C = 1, 3 or 4; uint8, or uint16 for 16-bit grey.

    Raises
    ------
    UsageError
        If the bytes are no image of :data:`FORMATS`, are cut short, or hold more than :data:`MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, name)
            image.load()
            pixels = _to_array(image)
    except UsageError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except Exception as error:  # noqa: BLE001 - decoders fail in many ways on foreign bytes; all mean one thing
        raise UsageError(
            f"Sample {name!r} cannot be read as an image: {_reason(error)}",
            "Give a whole file of one of these formats: " + ", ".join((*FORMATS, *also)),
        ) from None
    if pixels is None:
        raise UsageError(
            f"Sample {name!r} has pixels of mode {image.mode!r}", "Save it with 8 or 16 bits a value"
        )
    return pixels


def read_image(path: Path) -> Pixels:
    """Read and decode an image file; see :func:`read_file` and :func:`decode_image`."""
    return decode_image(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """Read a sample's bytes.

    Raises
    ------
    UsageError
        If the file is missing or is a folder.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Sample '{path}' cannot be read: {error.strerror}", "Check the path") from None


def encode_png(pixels: Pixels) -> bytes:
    """Encode pixels (H, W, C) as PNG without loss; :func:`decode_image` gives the same array back."""
    plane = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    out = io.BytesIO()
    # Level 1 costs a third of the default's time and a few per cent of size: this runs while a request waits.
    Image.fromarray(np.ascontiguousarray(plane)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)


def _too_large(name: str) -> UsageError:
    return UsageError(
        f"Sample {name!r} has more than {MAX_PIXELS // 2**20} Mi pixels", "Cut or shrink it before sending it"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown or damaged format"
    return str(error).rstrip(".") or type(error).__name__


def _to_array(image: Image.Image) -> Pixels | None:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in _EIGHT_BIT:
        pixels = np.asarray(image.convert(_EIGHT_BIT[image.mode]), dtype=np.uint8)
        return pixels if pixels.ndim == 3 else pixels[..., None]
    return _wide_grey(np.asarray(image)) if image.mode in _INTEGER else None


def _wide_grey(values: NDArray[np.generic]) -> NDArray[np.uint16] | None:
    """Bring integer grey to uint16; values that do not fit are refused, not clipped."""
    fits = values.size == 0 or (int(values.min()) >= 0 and int(values.max()) <= np.iinfo(np.uint16).max)
    return values.astype(np.uint16)[..., None] if fits else None
