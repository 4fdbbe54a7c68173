"""Words and pictures for properties of whole pictures: a property has no window, so nothing is cut out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from foveal_audit.bundle.schema import Assessment
from foveal_audit.judgement.irrelevance import is_property as has_property_signs
from foveal_audit.nouns import axes_of, say
from foveal_audit.report.naming import Term

#: What carriers have much or little of, by the statistic's name.
_STATISTICS: Mapping[str, str] = {
    "brightness": "brightness",
    "noise": "grain",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "lying lines": "level lines",
    "upright lines": "upright lines",
    "strength of lying lines": "level lines",
    "strength of upright lines": "upright lines",
    "dark strokes": "thin dark strokes",
    "light strokes": "thin light strokes",
    "asymmetry": "lopsidedness of brightness",
    "tails": "extremes of brightness",
    "blocks": "blocks, as JPEG makes them,",
    "corners": "brightness in the corners",
    "rim": "brightness along the rim",
    "offset": "offset of the zero line",
    "gain": "gain",
    "drift": "drift of the zero line",
    "clipped": "clipping",
    "hum": "hum, one narrow band of frequencies,",
    "layers along z": "layers along z",
}

#: What the experiment carries over, and how it is made visible.
_COMPONENTS: Mapping[str, Term] = {
    "colour": Term("colours", "the mean colour of each picture"),
    "spectrum": Term("texture", "the fine structure of each picture, four times as strong"),
    "detail": Term("fine detail", "the fine structure of each picture, four times as strong"),
    "rim": Term("rim", "the rim of each picture alone"),
    "amplitude": Term("amplitude", "the offset and gain of each recording"),
    "drift": Term("drift", "the slow part of each recording"),
}

EFFECTS: Mapping[str, Term] = {
    "removal": Term(
        "Taken away",
        "probability the answer loses when its pictures get this of other pictures of the same class",
    ),
    "paste": Term("Carried over", "probability the answer gains when pictures of other classes get this"),
}

#: A picture's window has so many edges.
_EDGES = 4
_DETAIL, _STRONGER, _RIM = 2.0, 4.0, 0.1
_GREY = (128, 128, 128)


def is_property(assessment: Assessment) -> bool:
    """Tell a property of whole pictures from a detail with windows."""
    return has_property_signs(assessment.signals)


def carriers_have(assessment: Assessment) -> str:
    """Say in a few words what the pictures have: ``little brightness along the rim``."""
    for name, one in assessment.signals.items():
        kind, _, statistic = name.partition(":")
        if kind == "property":
            channel = say("of colour channel", axes_of(assessment))
            words = _STATISTICS.get(statistic, statistic.replace("channel", channel))
            return f"{'much' if one.value > 0 else 'little'} {words}".rstrip(",")
    return say("something that the other pictures lack", axes_of(assessment))


def carried(assessment: Assessment) -> Term | None:
    """Name the component that the experiment carried over, and what its picture shows; None where none."""
    kinds = ("carried_over", "taken_away")
    names = [name.partition(":")[2] for name in assessment.signals if name.partition(":")[0] in kinds]
    term = _COMPONENTS.get(names[0]) if names else None
    return term and Term(term.name, say(term.meaning, axes_of(assessment)))


def made_visible(picture: Image.Image, assessment: Assessment) -> Image.Image | None:
    """Show of an RGB picture what the experiment carries over, and nothing else; None for other samples."""
    term = carried(assessment)
    pictures = all(len(entry.window) == _EDGES for entry in assessment.entries)
    return _SHOWN[term.name](picture) if term and pictures else None


def _fine(picture: Image.Image) -> Image.Image:
    blurred = picture.filter(ImageFilter.GaussianBlur(_DETAIL))
    return ImageChops.subtract(picture, blurred, scale=1 / _STRONGER, offset=_GREY[0])


def _mean(picture: Image.Image) -> Image.Image:
    red, green, blue = (round(one) for one in ImageStat.Stat(picture).mean)
    return Image.new("RGB", picture.size, (red, green, blue))


def _rim(picture: Image.Image) -> Image.Image:
    alone = picture.copy()
    width, height = picture.size
    across, down = round(_RIM * width), round(_RIM * height)
    ImageDraw.Draw(alone).rectangle((across, down, width - across - 1, height - down - 1), fill=_GREY)
    return alone


_SHOWN: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "colours": _mean,
    "texture": _fine,
    "fine detail": _fine,
    "rim": _rim,
}
