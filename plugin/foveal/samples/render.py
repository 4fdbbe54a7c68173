"""Pictures of what was found: a sample with its map, outlines and numbered boxes, and a scale.

Colours are viridis, which colour-blind readers can follow and which keeps its order in grey; every object is
outlined and numbered besides, so that colour is never the only carrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from foveal.samples.images import Pixels

Colours = NDArray[np.uint8]

#: Samples with a shorter side below this are enlarged, by a whole factor, until it is reached.
MIN_SIDE = 448
#: Share of the map's colour where the map is largest.
OPACITY = 0.6

_VIRIDIS = (
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b "
    "addc30 d8e219 fde725"
)
_ANCHORS = np.array(
    [[int(colour[at : at + 2], 16) for at in (0, 2, 4)] for colour in _VIRIDIS.split()], float
)

_LIGHT, _DARK, _PAPER, _INK = (255, 255, 255), (0, 0, 0), (250, 250, 250), (20, 20, 20)


class Outlined(Protocol):
    """An object to be outlined and boxed."""

    @property
    def window(self) -> tuple[int, int, int, int]:
        """y0, x0, y1, x1 in the sample's pixels."""

    @property
    def score(self) -> float:
        """Share of the map's positive mass."""

    @property
    def level(self) -> float:
        """The map's value at the edge."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The object's pixels (H, W)."""


def viridis(values: NDArray[np.floating]) -> Colours:
    """Colour values in [0, 1] (values outside are clipped): (...,) to uint8 (..., 3)."""
    place = np.clip(values, 0, 1) * (len(_ANCHORS) - 1)
    lower = np.minimum(place.astype(int), len(_ANCHORS) - 2)
    part = (place - lower)[..., None]
    colours: Colours = np.rint(_ANCHORS[lower] * (1 - part) + _ANCHORS[lower + 1] * part).astype(np.uint8)
    return colours


def display(pixels: Pixels) -> Colours:
    """Make 8-bit colour (H, W, 3) for the eye; 16-bit values are stretched over what the sample uses."""
    colour = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    if colour.dtype == np.uint8:
        return colour.astype(np.uint8)
    values = colour.astype(np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    stretched: Colours = np.rint(np.clip((values - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)
    return stretched


def overlay(
    pixels: Pixels, heat: NDArray[np.floating], regions: Sequence[Outlined], caption: str = ""
) -> Image.Image:
    """Draw a sample with its map.

    Parameters
    ----------
    pixels
        The original sample (H, W, C).
    heat
        The map at the sample's size (H, W), raw; its negative part is not drawn.
    regions
        Objects, numbered from 1 in this order.
    caption
        What is shown, written above the scale.

    Returns
    -------
    PIL.Image.Image
        RGB. A map without positive values leaves the sample as it is.
    """
    zoom = max(1, -(-MIN_SIDE // min(pixels.shape[:2])))
    height, width = pixels.shape[0] * zoom, pixels.shape[1] * zoom
    sample = Image.fromarray(display(pixels)).resize((width, height), Image.Resampling.NEAREST)
    large = _resize(np.clip(heat, 0, None), (height, width))
    picture = Image.fromarray(_blend(np.asarray(sample), large))
    draw = _Brush(picture, zoom)
    for region in regions:
        draw.outline(region, large)
    for number, region in enumerate(regions, start=1):
        draw.box(number, region)
    return _with_legend(picture, float(large.max()), caption)


def _resize(heat: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.fromarray(heat.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _blend(sample: Colours, heat: NDArray[np.float32]) -> Colours:
    peak = float(heat.max())
    if peak <= 0:
        return sample
    share = heat / peak
    opacity = (OPACITY * np.sqrt(share))[..., None]
    blended: Colours = np.rint(sample * (1 - opacity) + viridis(share) * opacity).astype(np.uint8)
    return blended


@dataclass(frozen=True)
class _Brush:
    """Draws objects onto an enlarged sample; every line is light on dark, to show on any ground."""

    picture: Image.Image
    zoom: int

    def outline(self, region: Outlined, heat: NDArray[np.float32]) -> None:
        """Draw the line where the map falls below the object's level."""
        near = _grown(region.mask).repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
        inside = near & (heat >= region.level)
        edge = inside & ~_shrunk(inside)
        for mask, colour in ((_grown(edge), _DARK), (edge, _LIGHT)):
            self.picture.paste(colour, (0, 0), Image.fromarray(mask.astype(np.uint8) * 255))

    def box(self, number: int, region: Outlined) -> None:
        """Draw the tight box with its number and score, the label inside the picture."""
        y0, x0, y1, x1 = (side * self.zoom for side in region.window)
        draw = ImageDraw.Draw(self.picture)
        for margin, colour, width in ((4, _DARK, 4), (3, _LIGHT, 2)):
            edges = (max(0, x0 - margin), max(0, y0 - margin), x1 + margin - 1, y1 + margin - 1)
            right, bottom = self.picture.width - 1, self.picture.height - 1
            draw.rectangle(
                (*edges[:2], min(edges[2], right), min(edges[3], bottom)), outline=colour, width=width
            )
        text, font = f"{number}: {region.score:.2f}", _font(15)
        _, _, wide, tall = (int(side) + 1 for side in draw.textbbox((0, 0), text, font=font))
        x = max(0, min(x0, self.picture.width - wide - 8))
        y = y0 - tall - 7 if y0 >= tall + 7 else y0
        draw.rectangle((x, y, x + wide + 7, y + tall + 6), fill=_DARK)
        draw.text((x + 4, y + 2), text, fill=_LIGHT, font=font)


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    beside = padded[:-2] | padded[1:-1] | padded[2:]
    return beside[:, :-2] | beside[:, 1:-1] | beside[:, 2:]


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_grown(~mask)


def _with_legend(picture: Image.Image, peak: float, caption: str) -> Image.Image:
    """Put the caption and the scale, with numbers, below the picture."""
    font, margin, width = _font(14), 8, picture.width
    lines = _wrapped(caption, font, width - 2 * margin)
    top = picture.height + margin + 20 * len(lines)
    whole = Image.new("RGB", (width, top + 44), _PAPER)
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    for number, line in enumerate(lines):
        draw.text((margin, picture.height + margin + 20 * number - 2), line, fill=_INK, font=font)
    if peak <= 0:
        draw.text((margin, top + 4), "no positive evidence", fill=_INK, font=font)
        return whole
    ramp = np.broadcast_to(np.linspace(0, 1, width - 2 * margin), (14, width - 2 * margin))
    whole.paste(Image.fromarray(viridis(ramp)), (margin, top))
    for share, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
        x = margin + share * (width - 2 * margin)
        draw.text((x, top + 18), f"{share * peak:.3g}", fill=_INK, font=font, anchor=anchor)
    return whole


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
