"""Marks on a picture: contour lines and numbered boxes, every line light on dark, to show on any ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LIGHT, DARK = (255, 255, 255), (0, 0, 0)

#: Length of a dash of a dashed line.
_DASH = 5

Heat = NDArray[np.floating]
Mask = NDArray[np.bool_]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Outlined(Protocol):
    """An object to be outlined and boxed."""

    @property
    def window(self) -> tuple[int, ...]:
        """All starts, then all ends (y0, x0, y1, x1 of an image) in the sample's steps."""

    @property
    def score(self) -> float:
        """Share of the map's positive mass."""

    @property
    def level(self) -> float:
        """The map's value at the edge."""

    @property
    def mask(self) -> Mask:
        """The object's steps (*S)."""


@dataclass(frozen=True)
class Brush:
    """Draws onto a sample that was enlarged by a whole factor.

    Attributes
    ----------
    picture
        What is drawn on.
    zoom
        The factor.
    """

    picture: Image.Image
    zoom: int

    def contour(self, inside: Mask, *, dashed: bool = False) -> None:
        """Draw a thin line along the edge of a mask of the picture's size."""
        edge = inside & ~_shrunk(inside)
        if dashed:
            diagonal = np.add.outer(np.arange(edge.shape[0]), np.arange(edge.shape[1]))
            edge &= diagonal // _DASH % 2 == 0
        beside = _grown(edge) & ~inside
        self._paint(beside, DARK, 0.45)
        self._paint(edge, LIGHT, 0.7)

    def outline(self, region: Outlined, heat: Heat, *, bold: bool = True) -> None:
        """Draw the line where the map, at the picture's size, falls below the object's level."""
        near = _grown(region.mask).repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
        inside = near & (heat >= region.level)
        edge = inside & ~_shrunk(inside)
        edge = _grown(edge) if bold else edge
        self._paint(_grown(edge), DARK)
        self._paint(edge, LIGHT)

    def box(self, text: str, region: Outlined) -> None:
        """Draw the tight box with a label, which stays inside the picture."""
        y0, x0, y1, x1 = (side * self.zoom for side in region.window)
        draw = ImageDraw.Draw(self.picture)
        for margin, colour, width in ((4, DARK, 4), (3, LIGHT, 2)):
            edges = (max(0, x0 - margin), max(0, y0 - margin), x1 + margin - 1, y1 + margin - 1)
            right, bottom = self.picture.width - 1, self.picture.height - 1
            draw.rectangle(
                (*edges[:2], min(edges[2], right), min(edges[3], bottom)), outline=colour, width=width
            )
        self.label(text, x0, y0)

    def label(self, text: str, x: int, y: int) -> None:
        """Write light on dark above (x, y), or below it where there is no room above."""
        draw, letters = ImageDraw.Draw(self.picture), font(15)
        _, _, wide, tall = (int(side) + 1 for side in draw.textbbox((0, 0), text, font=letters))
        x = max(0, min(x, self.picture.width - wide - 8))
        y = y - tall - 7 if y >= tall + 7 else y
        draw.rectangle((x, y, x + wide + 7, y + tall + 6), fill=DARK)
        draw.text((x + 4, y + 2), text, fill=LIGHT, font=letters)

    def _paint(self, mask: Mask, colour: tuple[int, int, int], opacity: float = 1.0) -> None:
        cover = Image.fromarray(mask.astype(np.uint8) * round(255 * opacity))
        self.picture.paste(colour, (0, 0), cover)


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """Give Pillow's own font at a size, the same on every machine."""
    return ImageFont.load_default(size)


def wrapped(text: str, letters: Font, width: int) -> list[str]:
    """Break a text into lines of a width at most."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and letters.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _grown(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    beside = padded[:-2] | padded[1:-1] | padded[2:]
    grown: Mask = beside[:, :-2] | beside[:, 1:-1] | beside[:, 2:]
    return grown


def _shrunk(mask: Mask) -> Mask:
    return ~_grown(~mask)
