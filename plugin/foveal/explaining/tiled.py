"""What a classifier of images looks at in one that is far larger than it takes, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives.model import AuditedModel
from foveal.capture import class_probabilities
from foveal.crops import Found, find_windows, window_size
from foveal.errors import UsageError
from foveal.explaining.mapping import Mapper
from foveal.records import Window
from foveal.samples.large import LargeImage
from foveal.samples.tiles import Stitcher, tile_windows

#: Tiles in one forward pass.
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Tiled:
    """What was found in a large image.

    Attributes
    ----------
    probabilities
        Of every class, averaged over the tiles (n,).
    target
        The class that the map is of.
    map
        The stitched map, raw float32 (h, w), over the whole image.
    windows
        Where its evidence lies, in the image's own pixels, best first.
    tiles
        The tiles, and the target's probability in each.
    """

    probabilities: NDArray[np.float32]
    target: int
    map: NDArray[np.float32]
    windows: list[Found]
    tiles: list[tuple[Window, float]]


def explain_tiled(
    model: AuditedModel,
    image: LargeImage,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    target: int | None = None,
    method: str | None = None,
    layer: str = "auto",
) -> Tiled:
    """Explain a large image: each tile is shown to the network as an image of its own.

    Parameters
    ----------
    model
        A classifier of images.
    image
        See :class:`foveal.samples.large.OpenImage`. Its parts are read twice where the target is left open.
    tile
        Side of a tile in the image's pixels; the side that the network takes where none is given.
    overlap
        Pixels that neighbouring tiles share; a quarter of a tile where none is given.
    target
        The class; the most probable one, averaged over the tiles, where none is given.
    method, layer
        As `foveal explain` takes them.

    Raises
    ------
    UsageError
        If the model takes no images, its size is free and `tile` is not given, or a tile does not fit it.
    """
    sides, share = _tile_sides(model, tile, overlap)
    windows = list(tile_windows(image.shape[:2], sides, share))
    if target is None:
        mean = np.mean(list(_probabilities(model, image, windows)), axis=0)
        target = int(mean.argmax())
    rows: list[NDArray[np.float32]] = []
    stitcher: Stitcher | None = None
    with Mapper(
        model.module, method or model.config.method, layer=layer, targets=(f"class:{target}",)
    ) as mapper:
        for piece, x in _batches(model, image, windows):
            mapped = mapper(x)
            rows += list(_shares(mapped.output))
            for window, map_ in zip(piece, mapped.maps[:, 0].float().cpu().numpy(), strict=True):
                stitcher = stitcher or Stitcher(image.shape[:2], (window[2] - window[0]) / map_.shape[0])
                stitcher.add(map_, window)
    stitched = stitcher.map() if stitcher else np.zeros((1, 1), np.float32)
    found = find_windows(
        stitched, image.shape[:2], window_size(model.config.window, sides), model.config.max_windows
    )
    scores = [float(row[target]) for row in rows]
    return Tiled(np.mean(rows, axis=0), target, stitched, found, list(zip(windows, scores, strict=True)))


def _tile_sides(model: AuditedModel, tile: int | None, overlap: int | None) -> tuple[tuple[int, int], int]:
    if len(model.kind.axes) != 2:
        raise UsageError(
            f"Model {model.name!r} takes samples of kind {model.kind.name!r}", "Give one of images"
        )
    blank = model.transform.blank()
    if tile is None and blank is None:
        raise UsageError(f"Model {model.name!r} takes images of any size", "Name the side of a tile: --tile")
    height, width = (tile, tile) if tile is not None or blank is None else blank.shape[2:]
    sides = (int(height or 0), int(width or 0))
    return sides, min(sides) // 4 if overlap is None else overlap


def _probabilities(
    model: AuditedModel, image: LargeImage, windows: Sequence[Window]
) -> Iterator[NDArray[np.float32]]:
    with torch.inference_mode():
        for _, x in _batches(model, image, windows):
            yield from _shares(model.module(x))


def _shares(output: Tensor) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = class_probabilities(output.detach().float()).cpu().numpy()
    return shares


def _batches(
    model: AuditedModel, image: LargeImage, windows: Sequence[Window]
) -> Iterator[tuple[list[Window], Tensor]]:
    """Read the tiles, a few at a time."""
    rest = iter(windows)
    while piece := list(islice(rest, _BATCH)):
        yield piece, torch.stack([model.transform(image.read(window)) for window in piece])
