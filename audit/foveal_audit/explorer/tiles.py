"""Pictures of entries for the browser: the crop, and its map as layers to lay over it."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.errors import UsageError
from foveal.samples.arrays import decode_crop
from foveal.samples.colours import display
from foveal.samples.values import Values, axes_of
from foveal_audit.crop_pictures import field_of, picture_of
from foveal_audit.explorer.portable import indexed_png, plain_size
from foveal_audit.report.pictures import OUTLINE, cividis
from foveal_audit.spans import Span, span_of

#: Longest side of a crop as it is sent, and that of a map's layer.
LARGEST, LAYER = 192, 64
_OPAQUE = 225
_SHARES = np.linspace(0, 1, 256)
#: Colour and opacity of a share of the strongest evidence, in 256 steps.
_COLOURS, _FADES = cividis(_SHARES[None])[0], np.rint(_SHARES * _OPAQUE).astype(np.uint8)
#: Those of nothing, of the line within and of the line without.
_LINES = np.array([[0, 0, 0], [255, 255, 255], [20, 20, 20]], np.uint8)
_SEEN = np.array([0, 255, 255], np.uint8)
#: Palette and opacity of the colours' layer, and of the line's.
_COLOUR_LAYER, _LINE_LAYER = (_COLOURS.tobytes(), _FADES.tobytes()), (_LINES.tobytes(), _SEEN.tobytes())
_MOST_AXES = 3
Range = tuple[float, float]


def crop_picture(crop: bytes, name: str, span: Range | None = None) -> Image.Image | None:
    """Decode a crop for the eye; None where it is none of ours.

    A trace is drawn as a strip chart, of a volume three slices are shown.

    Parameters
    ----------
    span
        Window of values, as shares of the type's range (of the crop's, where the type has no end), that
        becomes black to white, or the height of a lane.
    """
    try:
        values = decode_crop(crop, name)
    except UsageError:
        return None
    image = Image.fromarray(_DRAWN.get(axes_of(values), _drawn)(values, span))
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return image


def _drawn(values: Values, span: Range | None) -> NDArray[np.uint8]:
    """Draw what is no picture; each crop on its own scale."""
    return picture_of(values, _part(values, span or (0.0, 1.0)))


def _part(values: Values, shares: Range) -> Span:
    """Give a window of the values of a crop."""
    own = span_of([values])
    if not own.low:
        own = Span((0.0,), (float(np.iinfo(values.dtype).max),))
    ends = [
        tuple(low + share * (high - low) for low, high in zip(own.low, own.high, strict=True))
        for share in shares
    ]
    return Span(*ends)


def _shown(pixels: Values, span: Range | None) -> NDArray[np.uint8]:
    return display(pixels) if span is None else _spread(pixels, span)


#: By the number of axes, where a crop is a picture already.
_DRAWN = {2: _shown}


def _spread(pixels: Values, span: Range) -> NDArray[np.uint8]:
    """Map a window of values to black and white, as radiologists do."""
    colour = np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[..., :3]
    if colour.dtype.kind != "u":
        return _drawn(colour, span)
    low, high = (share * float(np.iinfo(pixels.dtype).max) for share in span)
    values = (colour.astype(np.float64) - low) / max(high - low, 1.0)
    spread: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return spread


def crop_uri(crop: bytes, name: str, span: Range | None = None) -> tuple[str, tuple[int, int]]:
    """Give a crop's address, width and height, see :func:`crop_picture`; nothing where it is no picture."""
    size = plain_size(crop, LARGEST) if span is None else None
    if size is not None:
        return _address(crop), size
    picture = crop_picture(crop, name, span)
    return (uri(picture), picture.size) if picture is not None else ("", (0, 0))


def layer_uris(
    maps: Sequence[tuple[Sequence[float], Sequence[int]]], sizes: Sequence[tuple[int, int]]
) -> list[tuple[str, str]]:
    """Draw many maps as two layers each, see :func:`map_layers`, those of one size together.

    Parameters
    ----------
    maps
        Raw values, flat, and the sides of each, one for each axis of the sample.
    sizes
        Width and height of each crop.

    Returns
    -------
    list of tuple
        Addresses of the colours and of the line of each; nothing where a map is none.
    """
    drawn, alike = [("", "")] * len(maps), defaultdict(list)
    for place, ((values, shape), size) in enumerate(zip(maps, sizes, strict=True)):
        if _is_map(values, shape):
            alike[tuple(shape), size].append(place)
    for (shape, size), places in alike.items():
        fields = _flat(np.array([maps[place][0] for place in places], np.float32).reshape(-1, *shape))
        for place, colours, line in zip(places, *_numbers(fields, size), strict=True):
            pngs = indexed_png(colours, *_COLOUR_LAYER), indexed_png(line, *_LINE_LAYER)
            drawn[place] = (_address(pngs[0]), _address(pngs[1]))
    return drawn


def map_layers(
    values: Sequence[float], shape: Sequence[int], size: tuple[int, int]
) -> tuple[Image.Image | None, Image.Image | None]:
    """Draw a map as two transparent layers: colour where evidence is positive, a line at half its maximum.

    The line is white with a dark one beside it, so that it is seen on any ground.

    Parameters
    ----------
    values, shape
        The raw map, flat, and its sides, one for each axis of the sample.
    size
        Width and height of the crop.
    """
    if not _is_map(values, shape):
        return None, None
    colours, line = _numbers(_flat(np.asarray(values, np.float32).reshape(1, *shape)), size)
    return _painted(colours[0], *_COLOUR_LAYER), _painted(line[0], *_LINE_LAYER)


def _is_map(values: Sequence[float], shape: Sequence[int]) -> bool:
    return 0 < len(shape) <= _MOST_AXES and len(values) > 0 and len(values) == int(np.prod(shape))


def _flat(fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring maps (n, *cells) into the form (n, h, w) that covers the crops' pictures."""
    return fields if fields.ndim == 3 else np.stack([field_of(field) for field in fields])


def _numbers(
    fields: NDArray[np.float32], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give the numbers of the colours of maps (n, h, w), and of their lines."""
    scale = LAYER / max(*size, 1)
    width, height = (max(1, round(side * scale)) for side in size)
    even = np.nan_to_num(fields, posinf=0, neginf=0)
    large = _spreading(fields.shape[1], height) @ even @ _spreading(fields.shape[2], width).T
    positive = np.maximum(large, 0)
    most = positive.max(axis=(1, 2), keepdims=True)
    share = positive / np.where(most > 0, most, 1)
    half = np.ascontiguousarray(share[:, ::2, ::2])  # colour is smooth, so half of its pixels show as much
    return (255 * half).astype(np.uint8), _line(share >= OUTLINE)


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


def _painted(numbers: NDArray[np.uint8], palette: bytes, opacity: bytes) -> Image.Image:
    """Make a picture of numbers of colours."""
    image = Image.fromarray(numbers)
    image.putpalette(palette)
    image.info["transparency"] = opacity
    return image


def _line(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw the edge of regions (..., h, w): 1 within, 2 without, else 0."""
    return _edge(inside) + 2 * _edge(~inside)


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    kept = inside.copy()
    kept[..., 1:, :] &= inside[..., :-1, :]
    kept[..., :-1, :] &= inside[..., 1:, :]
    kept[..., 1:] &= inside[..., :-1]
    kept[..., :-1] &= inside[..., 1:]
    return (inside & ~kept).astype(np.uint8)


def uri(image: Image.Image | None) -> str:
    """Write a picture as a ``data:`` address; nothing stays nothing."""
    return "" if image is None else _address(png(image))


def _address(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


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
