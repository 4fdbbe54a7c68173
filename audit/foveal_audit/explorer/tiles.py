"""Pictures of entries for the browser: the crop, and its map as a layer to lay over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.errors import UsageError
from foveal.samples.colours import display
from foveal.samples.images import Pixels, decode_image
from foveal_audit.report.pictures import OUTLINE, cividis

#: Longest side of a crop as it is sent, and that of a map's layer.
LARGEST, LAYER = 192, 64
_OPAQUE = 225
_SHARES = np.linspace(0, 1, 256)
#: Colour and opacity of a share of the strongest evidence, in 256 steps.
_COLOURS = np.dstack([cividis(_SHARES[None]), np.rint(_SHARES[None] * _OPAQUE).astype(np.uint8)])[0]
Range = tuple[float, float]


def crop_picture(crop: bytes, name: str, span: Range | None = None) -> Image.Image | None:
    """Decode a crop for the eye; None where it is no picture of ours.

    Parameters
    ----------
    span
        Window of values, as shares of the type's range, that becomes black to white.
    """
    try:
        pixels = decode_image(crop, name)
    except UsageError:
        return None
    image = Image.fromarray(display(pixels) if span is None else _spread(pixels, span))
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return image


def _spread(pixels: Pixels, span: Range) -> NDArray[np.uint8]:
    """Map a window of values to black and white, as radiologists do."""
    most = float(np.iinfo(pixels.dtype).max)
    low, high = (share * most for share in span)
    values = (pixels[..., :3].astype(np.float64) - low) / max(high - low, 1.0)
    spread: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.repeat(spread, 3, axis=2) if spread.shape[2] == 1 else spread


def map_layer(values: Sequence[float], shape: Sequence[int], size: tuple[int, int]) -> Image.Image | None:
    """Draw a map as a transparent layer: colour where evidence is positive, a line at half its maximum.

    Parameters
    ----------
    values, shape
        The raw map, flat, and its height and width.
    size
        Width and height of the crop.
    """
    field = np.nan_to_num(np.asarray(values, np.float32), posinf=0, neginf=0)
    if len(shape) != 2 or not field.size or field.size != int(np.prod(shape)):
        return None
    scale = LAYER / max(size)
    layer = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    large = Image.fromarray(field.reshape(tuple(shape))).resize(layer, Image.Resampling.BILINEAR)
    positive = np.maximum(np.asarray(large), 0)
    share = positive / positive.max() if positive.max() > 0 else positive
    pixels = _COLOURS[(255 * share).astype(np.uint8)]
    pixels[_edge(share >= OUTLINE)] = 255
    return Image.fromarray(pixels)


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(inside, 1, mode="edge")
    kept = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: NDArray[np.bool_] = inside & ~kept
    return edge


def uri(image: Image.Image | None) -> str:
    """Write a picture as a ``data:`` address; nothing stays nothing."""
    return "" if image is None else "data:image/png;base64," + base64.b64encode(png(image)).decode()


def png(image: Image.Image) -> bytes:
    """Encode a picture quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def strip(images: Sequence[Image.Image], side: int = 72, gap: int = 4) -> Image.Image:
    """Lay pictures side by side, each fitted into a square."""
    sheet = Image.new("RGBA", (max(1, len(images)) * (side + gap) - gap, side))
    for number, image in enumerate(images):
        factor = side / max(image.size)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
        fitted = image.convert("RGB").resize(size, how)
        sheet.paste(fitted, (number * (side + gap) + (side - size[0]) // 2, (side - size[1]) // 2))
    return sheet
