"""The picture of an explained sample: one overlay per target, with what the reader must know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.attribution import Method
from foveal.crops import enlarge, extent_of, framed
from foveal.explaining.samples import Finding, SampleExplanation
from foveal.regions import coarse_sides, find_regions
from foveal.samples.depicting import overlay
from foveal.samples.sheets import side_by_side
from foveal.segmenting.outlines import draw_masks

#: Written across pictures of methods whose maps survive the randomisation of the weights they should explain.
STAMP = "FOR VIEWING ONLY: {name} shows edges whatever the network has learned (fails weight randomisation)"


def draw(explained: SampleExplanation) -> Image.Image:
    """Draw a sample with what was found, the targets side by side, then the masks where there are any."""
    pictures = [_overlay(explained, finding) for finding in explained.findings]
    masks = explained.masks
    return side_by_side(pictures if masks is None else [*pictures, draw_masks(explained.values, masks)])


def stamp_of(method: Method) -> str:
    """Give the warning that belongs on every picture of a method; nothing for most."""
    return STAMP.format(name=method.name) if method.sanity == "fails" else ""


def _overlay(explained: SampleExplanation, finding: Finding) -> Image.Image:
    values, regions = explained.values, finding.regions
    sides = coarse_sides(values.shape[:-1])
    if sides != values.shape[:-1]:  # a volume too large to be drawn step by step
        values = values[np.ix_(*[_every(*pair) for pair in zip(values.shape, sides, strict=False)])]
        heat, regions = enlarge(finding.shown, sides), tuple(find_regions(finding.shown, sides))
    else:
        heat = framed(enlarge(finding.shown, extent_of(finding.frame)), finding.frame, values.shape)
    prediction = explained.prediction
    caption = (
        f"{prediction.name} ({prediction.probability:.2f}); "
        f"{explained.method.name} of {finding.target} at {explained.layer}"
    )
    notes = [] if explained.smoothing is None else [_smoothed(explained, finding)]
    notes += _heard(finding, explained.spacing or ())
    return overlay(
        values,
        heat,
        regions,
        caption,
        notes=notes,
        stamp=stamp_of(explained.method),
        spacing=explained.spacing or (),
        channels=explained.original.channels,
    )


def _heard(finding: Finding, spacing: tuple[float, ...]) -> list[str]:
    """Say when and at which frequencies the objects of a sound lie, in one line; nothing of other samples."""
    step, unit = (spacing[0], "s") if spacing else (1, "steps")
    said = [
        f"{number}: {round(region.window[0] * step, 3):g}-{round(region.window[1] * step, 3):g} {unit}, "
        f"{band[0]:,.0f}-{band[1]:,.0f} Hz"
        for number, (region, band) in enumerate(zip(finding.regions, finding.bands, strict=True), start=1)
        if band is not None
    ]
    return ["; ".join(said)] if said else []


def _every(have: int, want: int) -> NDArray[np.intp]:
    """Choose so many steps, evenly."""
    return np.arange(want) * have // want


def _smoothed(explained: SampleExplanation, finding: Finding) -> str:
    cells = "x".join(str(side) for side in finding.map.shape)
    return f"drawn smoothed by {explained.smoothing:.1f} cells of {cells}; the .npy holds the raw map"
