"""Put the script of an element together."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from foveal.errors import UsageError, nearest
from foveal_audit.nouns import PICTURE, say

_HERE = Path(__file__).parent
#: Element to the files it is made of, in order; a style sheet becomes the constant ``STYLE``.
_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sliders": (
            "sliders.css",
            "page.js",
            "lattice.js",
            "surface.js",
            "walk.js",
            "live.js",
            "movie.js",
            "sliders.js",
        ),
    }
)
NAMES = tuple(_PARTS)
#: Where scripts speak to people of the pictures that they show, each word for word; of other samples they are
#: called as :mod:`foveal_audit.nouns` calls what a generator draws.
_SPOKEN = (
    "There is no picture at",
    "Precomputed pictures are shown",
    "} picture of ${",
    "`Picture of ${",
)


@lru_cache(maxsize=3 * len(NAMES))
def script(name: str, axes: int = PICTURE) -> str:
    """Give the script that defines ``<foveal-NAME>``, safe to stand inside ``<script>``.

    Parameters
    ----------
    name
        Of the element.
    axes
        Of the samples that it speaks of.

    Raises
    ------
    UsageError
        There is no such element.
    """
    if name not in _PARTS:
        raise UsageError(f"There is no element {name!r}", nearest(name, _PARTS))
    text = "\n".join(_text(part) for part in _PARTS[name])
    return '(() => {\n"use strict";\n' + _said(text, axes) + "\n})();\n"


def sha256(name: str, axes: int = PICTURE) -> str:
    """Give what a policy needs to allow the script inside a page: ``sha256-...`` without quotes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name, axes).encode()).digest()).decode()


def _said(text: str, axes: int) -> str:
    """Say of samples with so many axes what a script says of pictures."""
    noun = say("picture of the generator", axes).partition(" ")[0]
    for spoken in _SPOKEN:
        other = spoken.replace("picture", noun).replace("Picture", noun.capitalize())
        text = text.replace(spoken, other)
    return text


def _text(part: str) -> str:
    text = (_HERE / part).read_text("utf-8")
    return f"const STYLE = {json.dumps(text)};" if part.endswith(".css") else text
