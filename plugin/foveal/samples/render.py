"""Pictures of what was found: a sample with its map, contour lines, outlined and numbered objects, scales.

The map is drawn in orange (evidence for) and blue (evidence against) on one scale for both. Lines at parts of
that scale, dashed for negative evidence, say the same without colour; every object is outlined, boxed and
numbered besides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.samples.colours import Colours, display, evidence
from foveal.samples.images import Pixels
from foveal.samples.legend import LEVELS, Scale, with_legend
from foveal.samples.marks import Brush, Outlined

__all__ = ["Outlined", "display", "draw_evidence", "overlay", "scale_of"]

#: Samples with a shorter side below this are enlarged, by a whole factor, until it is reached.
MIN_SIDE = 448
#: Share of the map's colour where the map is strongest.
OPACITY = 0.65
#: A map that varies by less than this part of its size is flat: the rest is rounding.
FLAT = 1e-5


def overlay(
    pixels: Pixels,
    heat: NDArray[np.floating],
    regions: Sequence[Outlined],
    caption: str = "",
    *,
    notes: Sequence[str] = (),
    stamp: str = "",
) -> Image.Image:
    """Draw a sample with its map.

    Parameters
    ----------
    pixels
        The original sample (H, W, C).
    heat
        The map at the sample's size (H, W), raw and signed.
    regions
        Objects, numbered from 1 in this order.
    caption
        What is shown, written above the scale.
    notes
        What else the reader must know, a paragraph each.
    stamp
        A warning, written across the top.

    Returns
    -------
    PIL.Image.Image
        RGB. A flat map leaves the sample as it is, and the legend says so.
    """
    zoom = max(1, -(-MIN_SIDE // min(pixels.shape[:2])))
    picture = draw_evidence(pixels, heat, regions, zoom)
    scale = scale_of(heat)
    lines = [caption, *notes] if scale.flat else [caption, *notes, _contour_note(scale)]
    return with_legend(picture, scale, lines, zoom=zoom, stamp=stamp)


def draw_evidence(
    pixels: Pixels,
    heat: NDArray[np.floating],
    regions: Sequence[Outlined],
    zoom: int,
    *,
    bold: bool = True,
    scale: Scale | None = None,
) -> Image.Image:
    """Draw a sample with its map and objects, enlarged by a whole factor, without any legend.

    Small pictures are not `bold`: their lines are thin, and labels hold numbers without scores. The colours'
    scale is the map's own where none is given.
    """
    height, width = pixels.shape[0] * zoom, pixels.shape[1] * zoom
    sample = Image.fromarray(display(pixels)).resize((width, height), Image.Resampling.NEAREST)
    scale = scale or scale_of(heat)
    if scale.flat:
        return sample
    large = _resize(heat, (height, width))
    picture = Image.fromarray(_blend(np.asarray(sample), large / scale.end))
    brush = Brush(picture, zoom)
    for level in LEVELS:
        brush.contour(large >= level * scale.end)
        brush.contour(large <= -level * scale.end, dashed=True)
    for region in regions:
        brush.outline(region, large, bold=bold)
    for number, region in enumerate(regions, start=1):
        brush.box(f"{number}: {region.score:.2f}" if bold else str(number), region)
    return picture


def scale_of(heat: NDArray[np.floating]) -> Scale:
    """Measure a map; see :class:`~foveal.samples.legend.Scale`."""
    low, high = float(heat.min()), float(heat.max())
    flat = high - low <= FLAT * max(abs(low), abs(high))
    return Scale(min(low, 0.0), max(high, 0.0), flat)


def _resize(heat: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.fromarray(heat.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _blend(sample: Colours, share: NDArray[np.float32]) -> Colours:
    opacity = (OPACITY * np.sqrt(np.abs(share).clip(max=1)))[..., None]
    blended: Colours = np.rint(sample * (1 - opacity) + evidence(share) * opacity).astype(np.uint8)
    return blended


def _contour_note(scale: Scale) -> str:
    levels = ", ".join(f"{level:.0%}" for level in LEVELS)
    dashed = "; dashed: evidence against" if scale.low < 0 else ""
    return f"thin lines at {levels} of {scale.end:.3g}{dashed}"
