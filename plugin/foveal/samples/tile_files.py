"""Tiles of large images as samples of their own: listed by name, and read without the rest of the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from foveal.errors import UsageError
from foveal.records import Window
from foveal.samples.arrays import encode_array
from foveal.samples.images import read_file
from foveal.samples.kinds import Tile
from foveal.samples.large import LargeImage, OpenImage
from foveal.samples.tile_names import parted, tile_name
from foveal.samples.tiles import tile_windows


def cut(path: Path, side: int, overlap: int) -> Iterator[Tile]:
    """List the tiles of an image, in reading order; none of one that is no larger than a tile.

    Parameters
    ----------
    path
        The image, see :class:`~foveal.samples.large.OpenImage`.
    side
        Pixels along a tile's sides; along a side of the image that is shorter, its own.
    overlap
        Pixels that neighbours share at least.

    Raises
    ------
    UsageError
        If it cannot be opened. A tile that cannot be read is listed: reading it says why.
    """
    with OpenImage(path) as image:
        sides = image.shape[:2]
        if max(sides) <= side:
            return
        for window in tile_windows(sides, (side, side), overlap):
            yield Tile(Path(tile_name(str(path), window)), window, empty=_is_empty(image, window))


def read_picture(path: Path) -> bytes:
    """Read an image's bytes; those of a tile are an array in NumPy's format.

    Raises
    ------
    UsageError
        If the file is missing or is a folder, or a tile cannot be read or lies outside of its image.
    """
    found = parted(path.as_posix())
    if found is None or not Path(found[0]).is_file():
        return read_file(path)
    with OpenImage(Path(found[0]), name=str(path)) as image:
        height, width, _ = image.shape
        y0, x0, y1, x1 = window = found[1]
        if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
            raise UsageError(
                f"Tile '{path}' lies outside of its image, which has {height} x {width} pixels",
                "Cut it anew: it is not the image that was cut",
            )
        return encode_array(image.read(window))


def _is_empty(image: LargeImage, window: Window) -> bool:
    """Tell a tile that has one value per channel only, as the glass around a section."""
    try:
        values = image.read(window)
    except UsageError:
        return False
    return bool((values == values[0, 0]).all())
