"""Pictures of the report, drawn with numpy and Pillow: enlarged crops, maps over them, where windows lie.

Small crops are enlarged by whole factors without smoothing, so that a reader sees the pixels the model saw.
A map is drawn twice, as colour and as an outline, so that colour is never the only carrier.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from foveal_audit.bundle.evidence import Crop, Map

#: Shown size of a crop's longer side in pixels: at least, at most.
SMALLEST, LARGEST = 96, 128
#: Part of the strongest evidence in a crop at which its outline is drawn.
OUTLINE = 0.5
GAP = 8
_CAPTION = 15
_FRAME = 4
_MID_GREY = (118, 118, 118, 255)  # readable on white and on the dark theme's ground
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
#: Lines of a rectangle: how far inside of it, and their colour.
_LINES = ((-1, (20, 20, 20)), (0, (255, 255, 255)), (1, (20, 20, 20)))

# Eight stops of cividis (Nunez, Anderton, Renslow, PLoS ONE 2018): even steps for all kinds of colour vision.
_CIVIDIS = np.array(
    [
        (0, 34, 78),
        (35, 62, 108),
        (79, 86, 108),
        (117, 117, 117),
        (151, 141, 114),
        (188, 167, 96),
        (227, 199, 72),
        (254, 232, 56),
    ],
    np.float64,
)


def cividis(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colour values in 0 to 1, (h, w) to (h, w, 3)."""
    stops = np.linspace(0, 1, len(_CIVIDIS))
    channels = [np.interp(values, stops, _CIVIDIS[:, c]) for c in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def rgb(crop: Crop) -> Image.Image:
    """Make a picture of a crop's pixels, as RGB."""
    pixels = crop[..., 0] if crop.shape[2] == 1 else crop
    return Image.fromarray(np.ascontiguousarray(pixels), _MODES[crop.shape[2]]).convert("RGB")


def tile(crop: Crop) -> Image.Image:
    """Enlarge (or shrink) a crop to the shown size, as RGB."""
    return enlarged(rgb(crop))


def enlarged(image: Image.Image, smallest: int = SMALLEST, largest: int = LARGEST) -> Image.Image:
    """Enlarge (or shrink) a picture to the shown size of a crop, or another size of its longer side."""
    size = _shown_size(image.size, smallest, largest)
    grows = size[0] >= image.size[0]
    return image.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS)


def overlay(crop: Crop, raw: Map) -> Image.Image:
    """Draw a crop with the evidence in it: colour where evidence is positive, outline at half its maximum."""
    image = tile(crop)
    share = _positive_share(raw, image.size)
    colours = cividis(share).astype(np.float64)
    opacity = 0.6 * share[..., None]
    mixed = np.asarray(image, np.float64) * (1 - opacity) + colours * opacity
    return Image.fromarray(_with_outline(mixed.round().astype(np.uint8), share >= OUTLINE))


def synthetic(crop: Crop) -> Image.Image:
    """Enlarge a generated crop and set it in a hatched frame, so that nobody takes it for a real one."""
    image = tile(crop)
    rows, columns = np.mgrid[: image.height + 2 * _FRAME, : image.width + 2 * _FRAME]
    hatch = np.where((rows + columns) // 4 % 2 == 1, 255, 20).astype(np.uint8)
    framed = Image.fromarray(hatch).convert("RGB")
    framed.paste(image, (_FRAME, _FRAME))
    return framed


def montage(
    tiles: Sequence[Image.Image], columns: int, numbered: bool = False, paired: bool = False
) -> Image.Image:
    """Lay tiles out in rows on a transparent ground.

    Parameters
    ----------
    numbered
        Write 1, 2, 3... under the tiles (or under the pairs).
    paired
        Tiles belong together two by two; partners touch, pairs keep their distance.
    """
    width, height = (max(sizes) for sizes in zip(*(one.size for one in tiles), strict=True))
    step = height + GAP + (_CAPTION if numbered else 0)
    left = _lefts(columns, width, paired)
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGBA", (left[min(columns, len(tiles)) - 1] + width, rows * step - GAP))
    for i, one in enumerate(tiles):
        x, y = left[i % columns], (i // columns) * step
        sheet.paste(one, (x + (width - one.width) // 2, y + (height - one.height) // 2))
        if numbered and not (paired and i % 2):
            _caption(sheet, x, y + height, str((i // 2 if paired else i) + 1))
    return sheet


def where(windows: Iterable[Sequence[int]], extent: tuple[int, int], longest: int = 160) -> Image.Image:
    """Draw how many windows cover each place of the samples.

    Parameters
    ----------
    windows
        Boxes y0, x0, y1, x1 in the samples' coordinates.
    extent
        Height and width of the frame in the same coordinates.
    """
    scale = longest / max(extent)
    height, width = (max(1, round(side * scale)) for side in extent)
    counts = np.zeros((height, width))
    for y0, x0, y1, x1 in windows:
        counts[int(y0 * scale) : math.ceil(y1 * scale), int(x0 * scale) : math.ceil(x1 * scale)] += 1
    return Image.fromarray(cividis(counts / max(1.0, counts.max())))


def png_uri(image: Image.Image) -> str:
    """Write a picture as a ``data:`` address; grey pictures take a third of the space."""
    buffer = io.BytesIO()
    _as_grey(image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def framed(image: Image.Image, frame: Sequence[float]) -> Image.Image:
    """Draw a rectangle, white between two dark lines: it is seen on any ground.

    Parameters
    ----------
    frame
        y0, x0, y1, x1 as shares of height and width.
    """
    sides = (image.height, image.width, image.height, image.width)
    y0, x0, y1, x1 = (round(share * side) for share, side in zip(frame, sides, strict=True))
    drawn = image.copy()
    for off, colour in _LINES:  # the outer line first: where the window ends with the picture it is cut off
        left, top = max(0, x0 + off), max(0, y0 + off)
        box = (left, top, max(left, x1 - 1 - off), max(top, y1 - 1 - off))
        ImageDraw.Draw(drawn).rectangle(box, outline=colour)
    return drawn


def _shown_size(size: tuple[int, int], smallest: int, largest: int) -> tuple[int, int]:
    longer = max(size)
    shown = longer * math.ceil(smallest / longer)  # a whole factor keeps every pixel the same size
    factor = (shown if shown <= largest else min(largest, max(smallest, longer))) / longer
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def _positive_share(raw: Map, size: tuple[int, int]) -> NDArray[np.float64]:
    """Bring the map to the tile's size; 1 is the strongest positive evidence in the crop."""
    field = np.nan_to_num(np.asarray(raw, np.float32), posinf=0, neginf=0)
    large = np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BILINEAR), np.float64)
    positive = np.maximum(large, 0)
    strongest = positive.max()
    return positive / strongest if strongest > 0 else positive


def _with_outline(pixels: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw a white line with a dark edge round a region: visible on any ground."""
    line = inside & ~_shrunk(inside)
    pixels[_grown(line)] = 20
    pixels[line] = 255
    return pixels


def _grown(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    region, up, down, left, right = _neighbours(region)
    return region | up | down | left | right


def _shrunk(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    region, up, down, left, right = _neighbours(region)
    return region & up & down & left & right


def _neighbours(region: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    padded = np.pad(region, 1, mode="edge")  # repeated edge: the outline stays open at the crop's border
    up, down, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    return [region, up, down, left, right]


def _lefts(columns: int, width: int, paired: bool) -> list[int]:
    if not paired:
        return [i * (width + GAP) for i in range(columns)]
    return [i * (width + 2) + (i // 2) * 2 * GAP for i in range(columns)]


def _caption(sheet: Image.Image, x: int, y: int, text: str) -> None:
    ImageDraw.Draw(sheet).text((x, y + 1), text, fill=_MID_GREY, font=ImageFont.load_default(12))


def _as_grey(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image)
    coloured = (pixels[..., :1] != pixels[..., 1:3]).any()
    return image if coloured else image.convert("LA" if image.mode == "RGBA" else "L")
