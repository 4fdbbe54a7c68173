"""Data sets whose large samples are cut: each tile is a sample of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from foveal.errors import UsageError
from foveal.samples.kinds import Kind, Tile
from foveal.samples.listing import SampleFile
from foveal.samples.tiles import check_overlap

#: Longest side of a tile: one of four channels is as large as an array that is read may be.
MAX_SIDE = 4096


@dataclass(frozen=True)
class Tiles:
    """How large samples are cut.

    Attributes
    ----------
    side
        Steps along each side of a tile, up to :data:`MAX_SIDE`.
    overlap
        Steps that neighbours share at least.
    """

    side: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.side > MAX_SIDE:
            raise UsageError(f"Tiles of {self.side} are too large", f"Give a side up to {MAX_SIDE}")
        check_overlap(self.side, self.overlap)


class Cut(NamedTuple):
    """A data set whose large samples were cut.

    Attributes
    ----------
    samples
        Tiles in the place of what was larger than one, everything else as it was listed.
    empty
        Tiles that were left out: they hold one value per channel.
    shared
        Steps that neighbouring tiles share at most: what lies there is seen twice.
    """

    samples: list[SampleFile]
    empty: int = 0
    shared: int = 0


def cut_samples(
    files: Sequence[SampleFile], kind: Kind, tiles: Tiles, report: Callable[[str, int, int], None]
) -> Cut:
    """Put the tiles of large samples in their place; a tile has the name of its file and its own place in it.

    What cannot be opened stays one sample: reading it says why.

    Raises
    ------
    UsageError
        If samples of this kind are not cut.
    """
    if kind.tiles is None:
        raise UsageError(f"Samples of kind {kind.name!r} are not cut into tiles", "Leave --tile out")
    samples: list[SampleFile] = []
    empty = shared = 0
    for number, file in enumerate(files, start=1):
        try:
            found = list(kind.tiles(file.path, tiles.side, tiles.overlap))
        except UsageError:
            found = []
        samples += [_tile_of(file, one) for one in found if not one.empty] if found else [file]
        empty += sum(one.empty for one in found)
        shared = max(shared, _shared(found))
        report("cutting", number, len(files))
    return Cut(samples, empty, shared)


def _tile_of(file: SampleFile, tile: Tile) -> SampleFile:
    """Make a sample of a tile; the manifest's own columns go first."""
    start = ",".join(map(str, tile.window[: len(tile.window) // 2]))
    name = f"{file.name}/{tile.path.name}"
    told = {"slide": file.name, "tile": start} | file.metadata
    return replace(file, name=name, path=tile.path, metadata=told, within=file.path)


def _shared(tiles: Sequence[Tile]) -> int:
    """Say how many steps neighbours share at most, along any axis."""
    axes = len(tiles[0].window) // 2 if tiles else 0
    spans = [sorted({(one.window[axis], one.window[axis + axes]) for one in tiles}) for axis in range(axes)]
    return max((before[1] - after[0] for along in spans for before, after in pairwise(along)), default=0)
