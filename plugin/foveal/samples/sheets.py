"""Many pictures on one: a contact sheet with numbers beside each, a strip of tiles, and a movie."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from foveal.errors import UsageError, nearest
from foveal.samples.colours import Colours
from foveal.samples.legend import INK, PAPER
from foveal.samples.marks import font, wrapped

_GAP, _LINE = 10, 19
_TEXT, _BARS = 210, 210
_BAR_GROUND, _BAR, _TICK = (222, 222, 226), (18, 94, 166), (207, 100, 8)


@dataclass(frozen=True)
class Bar:
    """A number from 0 to 1, drawn.

    Attributes
    ----------
    name
        What it is, and which side is good.
    value
        The number.
    mark
        A value to compare with, drawn as a tick: chance, as a rule.
    """

    name: str
    value: float
    mark: float | None = None


@dataclass(frozen=True)
class Row:
    """One picture of a contact sheet, with a heading, lines of text and bars beside it."""

    picture: Image.Image
    heading: str
    lines: Sequence[str] = ()
    bars: Sequence[Bar] = ()


def contact_sheet(rows: Sequence[Row], heading: str, notes: Sequence[str] = ()) -> Image.Image:
    """Lay rows out below a heading, in as many columns as make the sheet somewhat wider than high.

    Parameters
    ----------
    rows
        In reading order, down the first column first.
    heading
        What all of them show.
    notes
        Paragraphs at the foot.
    """
    height = max(_row_height(row) for row in rows) + _GAP
    beside = max(row.picture.width for row in rows)
    width = beside + _TEXT + (_BARS if any(row.bars for row in rows) else 0) + 3 * _GAP
    columns = _columns(len(rows), width, height)
    deep = -(-len(rows) // columns)
    above, below = (_paragraphs(texts, columns * width - _GAP) for texts in ([heading], notes))
    top = _GAP + _LINE * len(above) + _GAP
    foot = top + deep * height
    sheet = Image.new("RGB", (columns * width + _GAP, foot + _LINE * len(below) + _GAP), PAPER)
    _write(sheet, above, (_GAP, _GAP))
    _write(sheet, below, (_GAP, foot))
    for number, row in enumerate(rows):
        _place(sheet, row, (_GAP + number // deep * width, top + number % deep * height), beside)
    return sheet


def strip(
    tiles: Sequence[Sequence[Image.Image]],
    row_names: Sequence[str],
    column_names: Sequence[str],
    notes: Sequence[str] = (),
) -> Image.Image:
    """Lay tiles out in named rows and columns, all of the size of the largest."""
    pictures = [tile for row in tiles for tile in row]
    wide, high = max(one.width for one in pictures), max(one.height for one in pictures)
    letters = font(13)
    left = _GAP + int(max((letters.getlength(name) for name in row_names), default=0)) + _GAP
    top, columns = _LINE + _GAP, len(column_names)
    width = left + columns * (wide + 4) + _GAP
    below = _paragraphs(notes, width - 2 * _GAP)
    sheet = Image.new("RGB", (width, top + len(tiles) * (high + 4) + _GAP + _LINE * len(below)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(column_names):
        draw.text((left + column * (wide + 4) + wide / 2, 8), name, fill=INK, font=letters, anchor="ma")
    for number, (name, row) in enumerate(zip(row_names, tiles, strict=True)):
        y = top + number * (high + 4)
        draw.text((_GAP, y + high / 2), name, fill=INK, font=letters, anchor="lm")
        for column, tile in enumerate(row):
            sheet.paste(tile, (left + column * (wide + 4), y))
    _write(sheet, below, (_GAP, top + len(tiles) * (high + 4) + 4))
    return sheet


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures beside each other, aligned at the top."""
    width = sum(one.width for one in pictures) + _GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(one.height for one in pictures)), PAPER)
    x = 0
    for one in pictures:
        sheet.paste(one, (x, 0))
        x += one.width + _GAP
    return sheet


def shrink(pixels: Colours, side: int) -> Colours:
    """Fit 8-bit colour (H, W, 3) so that its longer side is `side`; sharp where it is enlarged."""
    scale = side / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(pixels).resize(size, how))


#: Kinds of movies by suffix, with the options Pillow takes. APNG keeps every colour, GIF runs everywhere.
_MOVIES = {
    ".gif": ("GIF", {"loop": 0}),
    ".png": ("PNG", {"loop": 0}),
    ".webp": ("WEBP", {"loop": 0, "quality": 85}),
}


def encode_movie(frames: Sequence[Image.Image], suffix: str, seconds: float = 0.5) -> bytes:
    """Encode frames as an animated picture, each shown for so many seconds, the last for three times as long.

    Raises
    ------
    UsageError
        For a suffix other than .gif, .png and .webp.
    """
    if suffix not in _MOVIES:
        raise UsageError(f"A movie cannot be a {suffix!r} file", nearest(suffix, _MOVIES))
    kind, options = _MOVIES[suffix]
    frames = _padded(frames)
    shown = [round(1000 * seconds)] * (len(frames) - 1) + [round(3000 * seconds)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=list(frames[1:]), duration=shown, **options)
    return out.getvalue()


def _padded(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Give all frames the size of the largest."""
    size = max(one.width for one in frames), max(one.height for one in frames)
    padded = [Image.new("RGB", size, PAPER) for _ in frames]
    for ground, frame in zip(padded, frames, strict=True):
        ground.paste(frame, (0, 0))
    return padded


def _columns(count: int, width: int, height: int) -> int:
    """Choose how many columns make the sheet somewhat wider than high, none of them left empty."""
    wanted = max(1, min(count, int((1.6 * count * height / width) ** 0.5 + 0.5)))
    deep = -(-count // wanted)
    return -(-count // deep)


def _row_height(row: Row) -> int:
    lines = len(_paragraphs(row.lines, _TEXT))
    return max(int(row.picture.height), 24 + _LINE * lines, 40 * len(row.bars))


def _place(sheet: Image.Image, row: Row, corner: tuple[int, int], beside: int) -> None:
    x, y = corner
    sheet.paste(row.picture, corner)
    draw, x = ImageDraw.Draw(sheet), x + beside + _GAP
    draw.text((x, y), row.heading, fill=INK, font=font(17))
    _write(sheet, _paragraphs(row.lines, _TEXT), (x, y + 24))
    for number, bar in enumerate(row.bars):
        _draw_bar(draw, bar, (x + _TEXT + _GAP, y + 40 * number))


def _draw_bar(draw: ImageDraw.ImageDraw, bar: Bar, corner: tuple[int, int]) -> None:
    x, y = corner
    long = _BARS - 2 * _GAP
    draw.text((x, y), bar.name, fill=INK, font=font(13))
    draw.text((x + long, y), f"{bar.value:.3f}", fill=INK, font=font(13), anchor="ra")
    draw.rectangle((x, y + 18, x + long, y + 28), fill=_BAR_GROUND)
    draw.rectangle((x, y + 18, x + long * min(1.0, max(0.0, bar.value)), y + 28), fill=_BAR)
    if bar.mark is not None:
        tick = x + long * min(1.0, max(0.0, bar.mark))
        draw.line((tick, y + 15, tick, y + 31), fill=_TICK, width=3)


def _paragraphs(texts: Sequence[str], width: int) -> list[str]:
    return [line for text in texts for line in wrapped(text, font(14), width)]


def _write(sheet: Image.Image, lines: Sequence[str], corner: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((corner[0], corner[1] + _LINE * number), line, fill=INK, font=font(14))
