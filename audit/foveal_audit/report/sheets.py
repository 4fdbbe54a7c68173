"""Sheets: pictures laid side by side as one, with words for those who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from foveal_audit.report import pictures

COLUMNS = 4


@dataclass(frozen=True)
class Picture:
    """A drawn picture, its shown size and what it shows, for those who cannot see it."""

    uri: str
    width: int
    height: int
    alt: str


def sheet(
    tiles: Sequence[Image.Image],
    alt: str,
    numbered: bool = False,
    paired: bool = False,
    columns: int = COLUMNS,
) -> Picture | None:
    """Lay tiles out, see :func:`.pictures.montage`; nothing where there is none."""
    if not tiles:
        return None
    image = pictures.montage(tiles, columns, numbered, paired)
    return Picture(pictures.png_uri(image), *image.size, alt)
