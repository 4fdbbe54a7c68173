"""What stands below a picture: what is shown, the scale in raw values, and a length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from foveal.samples.colours import evidence
from foveal.samples.marks import font, wrapped

#: Contour lines lie at these parts of the scale's end, dashed where evidence is negative.
LEVELS = (0.25, 0.5, 0.75)

PAPER, INK = (250, 250, 250), (20, 20, 20)

_MARGIN, _LINE, _RAMP = 8, 20, 14


@dataclass(frozen=True)
class Scale:
    """The values that a picture shows.

    Attributes
    ----------
    low, high
        Smallest and largest raw value, 0 included.
    flat
        Whether the map has one value everywhere; then nothing is drawn of it.
    """

    low: float
    high: float
    flat: bool = False

    @property
    def end(self) -> float:
        """The value of the strongest colour; both signs share it, so that weak evidence looks weak."""
        return max(-self.low, self.high)

    def note(self) -> str | None:
        """Say what a reader would not expect."""
        if self.flat:
            return f"flat map: {self.high + self.low:.3g} everywhere"
        return "no positive evidence, all of it is negative" if self.high <= 0 else None


def with_legend(
    picture: Image.Image, scale: Scale, lines: Sequence[str], *, zoom: int | None = 1, stamp: str = ""
) -> Image.Image:
    """Put texts, the scale and a length bar below a picture, and a stamp above it.

    Parameters
    ----------
    lines
        Paragraphs, wrapped to the picture's width.
    zoom
        How many pixels of the picture one of the sample takes; None where the picture has an axis of its own
        and needs no length bar.
    stamp
        A warning that must not be missed.
    """
    paragraphs = [*lines, *filter(None, [scale.note()])]
    letters, width = font(14), picture.width - 2 * _MARGIN
    texts = [line for text in paragraphs for line in wrapped(text, letters, width)]
    above = _stamped_height(stamp, width)
    top = above + picture.height + _MARGIN
    ramp = top + _LINE * len(texts)
    drawn = not scale.flat
    length = _MARGIN if zoom is None else 28
    whole = Image.new("RGB", (picture.width, ramp + (_RAMP + 26 if drawn else 0) + length), PAPER)
    whole.paste(picture, (0, above))
    draw = ImageDraw.Draw(whole)
    _stamp(draw, stamp, width)
    for number, line in enumerate(texts):
        draw.text((_MARGIN, top + _LINE * number - 2), line, fill=INK, font=letters)
    if drawn:
        _draw_ramp(whole, scale, ramp + 2)
    if zoom is not None:
        _draw_length(draw, whole.size, zoom)
    return whole


def nice_length(most: float) -> int:
    """Give the largest of 1, 2, 5, 10, 20, ... that is not above `most`; at least 1."""
    power = 10 ** int(np.floor(np.log10(max(most, 1))))
    return max(int(step * power) for step in (1, 2, 5) if step * power <= max(most, 1))


def _draw_ramp(whole: Image.Image, scale: Scale, top: int) -> None:
    """Draw the colours from the lowest to the highest value, the contours' places and raw values."""
    draw, width = ImageDraw.Draw(whole), whole.width - 2 * _MARGIN
    values = np.linspace(scale.low, scale.high, width)
    whole.paste(
        Image.fromarray(np.broadcast_to(evidence(values / scale.end), (_RAMP, width, 3)).copy()),
        (_MARGIN, top),
    )
    # The ends come first: where there is little room, the marks between them go unlabelled.
    taken: list[tuple[float, float]] = []
    for value in (scale.low, scale.high, *_inside(scale)):
        x = _MARGIN + (value - scale.low) / (scale.high - scale.low) * (width - 1)
        step = 1 if value >= 0 else 4
        for y in range(top, top + _RAMP, step):
            draw.line((x, y, x, y + step // 2), fill=(255, 255, 255))
        _write_value(draw, value, (x, top + _RAMP + 2), _MARGIN + width, taken)


def _write_value(
    draw: ImageDraw.ImageDraw,
    value: float,
    place: tuple[float, float],
    right: float,
    taken: list[tuple[float, float]],
) -> None:
    """Write a value below its place where that is not taken."""
    text, letters = f"{value:.3g}", font(13)
    long = float(letters.getlength(text))
    left = min(max(place[0] - long / 2, _MARGIN), right - long)
    if all(left + long + 10 <= start or left >= end + 10 for start, end in taken):
        draw.text((left, place[1]), text, fill=INK, font=letters)
        taken.append((left, left + long))


def _inside(scale: Scale) -> Iterator[float]:
    """List the contours' values and zero, in order, where they lie within the scale."""
    marks = sorted({0.0, *(sign * level * scale.end for level in LEVELS for sign in (-1, 1))})
    return (mark for mark in marks if scale.low < mark < scale.high)


def _draw_length(draw: ImageDraw.ImageDraw, size: tuple[int, int], zoom: int) -> None:
    """Draw a bar that is a round number of the sample's pixels long."""
    width, height = size
    length = nice_length((width - 2 * _MARGIN) / zoom / 4)
    left, y = _MARGIN, height - 14
    right = left + length * zoom
    draw.line((left, y, right, y), fill=INK, width=2)
    for x in (left, right):
        draw.line((x, y - 4, x, y + 4), fill=INK)
    unit = "pixel" if length == 1 else "pixels"
    draw.text((right + 8, y), f"{length} {unit} of the sample", fill=INK, font=font(13), anchor="lm")


def _stamped_height(stamp: str, width: int) -> int:
    return _LINE * len(wrapped(stamp, font(15), width)) + _MARGIN if stamp else 0


def _stamp(draw: ImageDraw.ImageDraw, stamp: str, width: int) -> None:
    """Write the stamp light on dark across the top."""
    if not stamp:
        return
    draw.rectangle((0, 0, width + 2 * _MARGIN, _stamped_height(stamp, width) - 1), fill=INK)
    for number, line in enumerate(wrapped(stamp, font(15), width)):
        draw.text((_MARGIN, 2 + _LINE * number), line, fill=PAPER, font=font(15))
