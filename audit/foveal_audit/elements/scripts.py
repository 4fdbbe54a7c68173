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


@lru_cache(maxsize=len(NAMES))
def script(name: str) -> str:
    """Give the script that defines ``<foveal-NAME>``, safe to stand inside ``<script>``.

    Raises
    ------
    UsageError
        There is no such element.
    """
    if name not in _PARTS:
        raise UsageError(f"There is no element {name!r}", nearest(name, _PARTS))
    return '(() => {\n"use strict";\n' + "\n".join(_text(part) for part in _PARTS[name]) + "\n})();\n"


def sha256(name: str) -> str:
    """Give what a policy needs to allow the script inside a page: ``sha256-...`` without quotes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()


def _text(part: str) -> str:
    text = (_HERE / part).read_text("utf-8")
    return f"const STYLE = {json.dumps(text)};" if part.endswith(".css") else text
