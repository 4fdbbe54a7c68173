"""Words by the number of axes: texts are written of pictures, and said of recordings or scans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from foveal_audit.bundle.schema import Assessment

#: Axes of a picture.
PICTURE = 2
#: What is written of pictures, and what is said instead of recordings (one axis) and scans (three). A longer
#: phrase goes before what it holds; a capital at its beginning is kept.
WORDS: Mapping[str, tuple[str, str]] = {
    "picture": ("recording", "scan"),
    "pictures": ("recordings", "scans"),
    "image": ("recording", "scan"),
    "images": ("recordings", "scans"),
    # a part, and its place
    "rectangle": ("stretch of time", "box"),
    "the edge of the picture": ("an end of the recording", "the edge of the scan"),
    "mirror images (corners, for example)": (
        "mirrored place (both ends, for example)",
        "mirrored places (corners, for example)",
    ),
    "mirror images": ("mirrored place", "mirrored places"),
    "tiles": ("parts", "parts"),
    # what is done to it
    "painting it over": ("replacing it", "replacing it"),
    "painted over": ("replaced", "replaced"),
    # its values
    "pixels": ("values", "voxels"),
    "the same pixels have the same colours": (
        "the same steps have the same values",
        "the same voxels have the same values",
    ),
    "colours": ("values", "values"),
    "mean colour": ("mean value", "mean value"),
    "colour channel": ("channel", "channel"),
    "it is black or white": ("its values are the lowest or highest", "its values are the lowest or highest"),
    "it is neither black nor white": (
        "its values are neither the lowest nor the highest",
        "its values are neither the lowest nor the highest",
    ),
    "two tones": ("two levels", "two levels"),
    # where it comes from
    "something of the recording": ("something of the device", "something of the scanner"),
    "pictures (camera, site, compression)": (
        "recordings (device, site, filters)",
        "scans (scanner, site, filters)",
    ),
    "a mark, a ruler, a scanner's grain": (
        "a mark, a calibration pulse, a device's hum",
        "a mark, a clip, a scanner's grain",
    ),
    "picture (grain, focus, compression, brightness, rims)": (
        "recording (noise, hum, drift, gain, clipping)",
        "scan (grain, sharpness, brightness, layers, rims)",
    ),
    "pictures without any scene": ("recordings that hold nothing else", "scans that hold nothing else"),
    # what a generator draws is no sample
    "precomputed pictures": ("precomputed drawings", "precomputed drawings"),
    "picture of the generator": ("drawing of the generator", "drawing of the generator"),
    "pictures of the same generator": ("drawings of the same generator", "drawings of the same generator"),
    "its pictures are not shown": ("its variants are not shown", "its variants are not shown"),
    "tells its pictures from": ("tells its variants from", "tells its variants from"),
    # what was measured on pictures stays so
    "on pictures and": ("on pictures, not recordings, and", "on pictures, not scans, and"),
    "clean models": ("clean models, all of pictures", "clean models, all of pictures"),
}  # fmt: skip
_COLUMN = {1: 0, 3: 1}


class _Findings(Protocol):
    @property
    def assessments(self) -> Iterable[Assessment]: ...


def say(text: str, axes: int) -> str:
    """Say of samples with so many axes what is written of pictures.

    Parameters
    ----------
    text
        Our own words: names that come from the data are put in afterwards.
    axes
        1, 2 or 3; of pictures nothing changes.
    """
    if axes == PICTURE:
        return text
    return _phrases().sub(lambda found: _instead(found[0], axes), text)


def axes_of(one: Assessment) -> int:
    """Give the number of axes of a facet's samples; where no entry is listed they count as pictures."""
    return len(one.entries[0].window) // 2 if one.entries else PICTURE


def axes_in(findings: _Findings) -> int:
    """Give the number of axes of an audit's samples, see :func:`axes_of`."""
    return next((axes_of(one) for one in findings.assessments if one.entries), PICTURE)


@lru_cache(maxsize=1)
def _phrases() -> re.Pattern[str]:
    longest = sorted(WORDS, key=len, reverse=True)
    either = (f"[{one[0].upper()}{one[0]}]{re.escape(one[1:])}" for one in longest)
    return re.compile(rf"(?<!\w)(?:{'|'.join(either)})(?!\w)")


def _instead(found: str, axes: int) -> str:
    said = WORDS[found[0].lower() + found[1:]][_COLUMN[axes]]
    return said[0].upper() + said[1:] if found[0].isupper() else said
