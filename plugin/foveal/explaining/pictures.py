"""The picture of an explained sample: one overlay per target, with what the reader must know."""

from __future__ import annotations

from PIL import Image

from foveal.attribution import Method
from foveal.crops import enlarge
from foveal.explaining.samples import Finding, SampleExplanation
from foveal.samples.render import overlay
from foveal.samples.sheets import side_by_side

#: Written across pictures of methods whose maps survive the randomisation of the weights they should explain.
STAMP = "FOR VIEWING ONLY: {name} shows edges whatever the network has learned (fails weight randomisation)"


def draw(explained: SampleExplanation) -> Image.Image:
    """Draw a sample with what was found, the targets side by side."""
    return side_by_side([_overlay(explained, finding) for finding in explained.findings])


def stamp_of(method: Method) -> str:
    """Give the warning that belongs on every picture of a method; nothing for most."""
    return STAMP.format(name=method.name) if method.sanity == "fails" else ""


def _overlay(explained: SampleExplanation, finding: Finding) -> Image.Image:
    heat = enlarge(finding.shown, explained.pixels.shape[:2])
    prediction = explained.prediction
    caption = (
        f"{prediction.name} ({prediction.probability:.2f}); "
        f"{explained.method.name} of {finding.target} at {explained.layer}"
    )
    notes = [] if explained.smoothing is None else [_smoothed(explained, finding)]
    return overlay(
        explained.pixels, heat, finding.regions, caption, notes=notes, stamp=stamp_of(explained.method)
    )


def _smoothed(explained: SampleExplanation, finding: Finding) -> str:
    cells = "x".join(str(side) for side in finding.map.shape)
    return f"drawn smoothed by {explained.smoothing:.1f} cells of {cells}; the .npy holds the raw map"
