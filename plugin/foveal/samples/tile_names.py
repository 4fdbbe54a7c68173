"""What a tile of a large image is called: a file inside of it, ``slide.tif/0-512-512-1024.npy``.

The numbers are its window in the image's own pixels, y0, x0, y1, x1. So the name alone says where a tile
lies, and whoever reads samples by their paths reads tiles as well.
"""

from __future__ import annotations

import re

from foveal.records import Window

_TILE = re.compile(r"(.+)/(\d+(?:-\d+){3})\.npy", re.DOTALL)


def tile_name(whole: str, window: Window) -> str:
    """Name the tile of a file that covers a window of it."""
    return f"{whole}/{'-'.join(map(str, window))}.npy"


def parted(name: str) -> tuple[str, Window] | None:
    """Give the file and the window that a tile's name holds; None for every other name."""
    found = _TILE.fullmatch(name)
    return None if found is None else (found[1], tuple(map(int, found[2].split("-"))))


def whole_name(name: str) -> str:
    """Give the file that a tile's name holds; every other name as it is."""
    found = parted(name)
    return name if found is None else found[0]
