"""Pictures of entries for the browser: the crop, and its map as layers to lay over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache

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
_COLOURS, _FADES = cividis(_SHARES[None])[0], np.rint(_SHARES * _OPAQUE).astype(np.uint8)
#: Those of nothing, of the line within and of the line without.
_LINES = np.array([[0, 0, 0], [255, 255, 255], [20, 20, 20]], np.uint8)
_SEEN = np.array([0, 255, 255], np.uint8)
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


def map_layers(
    values: Sequence[float], shape: Sequence[int], size: tuple[int, int]
) -> tuple[Image.Image | None, Image.Image | None]:
    """Draw a map as two transparent layers: colour where evidence is positive, a line at half its maximum.

    The line is white with a dark one beside it, so that it is seen on any ground.

    Parameters
    ----------
    values, shape
        The raw map, flat, and its height and width.
    size
        Width and height of the crop.
    """
    field = np.nan_to_num(np.asarray(values, np.float32), posinf=0, neginf=0)
    if len(shape) != 2 or not field.size or field.size != int(np.prod(shape)):
        return None, None
    scale = LAYER / max(size)
    layer = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    width, height = layer
    large = _spreading(shape[0], height) @ field.reshape(tuple(shape)) @ _spreading(shape[1], width).T
    positive = np.maximum(large, 0)
    share = positive / positive.max() if positive.max() > 0 else positive
    half = np.ascontiguousarray(share[::2, ::2])  # colour is smooth, so half of its pixels show as much
    colours = _painted((255 * half).astype(np.uint8), _COLOURS, _FADES)
    return colours, _painted(_line(share >= OUTLINE), _LINES, _SEEN)


def map_layer(values: Sequence[float], shape: Sequence[int], size: tuple[int, int]) -> Image.Image | None:
    """Draw both layers of a map, see :func:`map_layers`, as one."""
    colours, line = map_layers(values, shape, size)
    if colours is None or line is None:
        return None
    large = colours.convert("RGBA").resize(line.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(large, line.convert("RGBA"))


@lru_cache(maxsize=64)
def _spreading(count: int, wanted: int) -> NDArray[np.float32]:
    """Give the weights (wanted, count) of Pillow's bilinear scaling: as products it is much faster."""
    one = Image.fromarray(np.eye(count, dtype=np.float32))
    return np.asarray(one.resize((count, wanted), Image.Resampling.BILINEAR))


def _painted(
    numbers: NDArray[np.uint8], colours: NDArray[np.uint8], opacity: NDArray[np.uint8]
) -> Image.Image:
    """Make a picture of numbers of colours: a quarter of the bytes, and sooner encoded."""
    image = Image.fromarray(numbers)
    image.putpalette(colours.tobytes())
    image.info["transparency"] = opacity.tobytes()
    return image


def _line(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw the edge of a region: 1 within, 2 without, else 0."""
    return _edge(inside) + 2 * _edge(~inside)


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    kept = inside.copy()
    kept[1:] &= inside[:-1]
    kept[:-1] &= inside[1:]
    kept[:, 1:] &= inside[:, :-1]
    kept[:, :-1] &= inside[:, 1:]
    return (inside & ~kept).astype(np.uint8)


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
