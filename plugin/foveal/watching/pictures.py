"""Pictures of looks: a strip of all epochs, and the frames of a movie; signals, images and volumes alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from foveal.crops import enlarge
from foveal.samples.colours import Colours
from foveal.samples.render import draw_evidence
from foveal.samples.sheets import shrink, strip
from foveal.watching.movement import Look

#: Longer side of a tile, in a strip and in a movie.
STRIP_TILE, MOVIE_TILE = 112, 224
#: Columns of a strip at most; of more epochs, evenly chosen ones are shown.
COLUMNS = 12
#: Height of the picture of a signal.
_TRACE = 64

Samples = NDArray[np.float32]


def draw_strip(samples: Sequence[Colours], names: Sequence[str], looks: Sequence[Look]) -> Image.Image:
    """Draw samples in rows and epochs in columns."""
    shown = [looks[at] for at in _evenly(len(looks), COLUMNS)]
    tiles = [
        [_tile(sample, look.maps[row], STRIP_TILE) for look in shown] for row, sample in enumerate(samples)
    ]
    return strip(tiles, names, [f"epoch {look.epoch}" for look in shown], [_SCALES])


def draw_frame(samples: Sequence[Colours], names: Sequence[str], look: Look) -> Image.Image:
    """Draw all samples of one look, for a movie."""
    columns = ceil(sqrt(len(samples)))
    tiles = [_tile(sample, map_, MOVIE_TILE) for sample, map_ in zip(samples, look.maps, strict=True)]
    rows = [tiles[at : at + columns] for at in range(0, len(tiles), columns)]
    first = [", ".join(names[at : at + columns]) for at in range(0, len(tiles), columns)]
    return strip(rows, [""] * len(rows), [""] * columns, [f"epoch {look.epoch}", *first, _SCALES])


def show(sample: Samples) -> Colours:
    """Make 8-bit colour (h, w, 3) of a sample (C, *S) as the model takes it, over its own range.

    A signal becomes a trace; of a volume the brightest value along the first axis is shown.
    """
    return _SHOWN[sample.ndim - 1](sample)


_SCALES = "each tile on its own scale: orange for, blue (dashed lines) against"


def _tile(sample: Colours, map_: NDArray[np.float32], side: int) -> Image.Image:
    ground = shrink(sample, side)
    heat = enlarge(_flat(map_), ground.shape[:2])
    return draw_evidence(ground, heat, [], 1)


def _flat(map_: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a map to two axes; of a volume's, keep what is strongest along the first."""
    if map_.ndim == 1:
        return map_[None]
    if map_.ndim == 2:
        return map_
    strongest = np.abs(map_).argmax(axis=0)[None]
    flat: NDArray[np.float32] = np.take_along_axis(map_, strongest, axis=0)[0]
    return flat


def _image(sample: Samples) -> Colours:
    channels = sample if len(sample) == 3 else sample.mean(axis=0, keepdims=True)
    low, high = float(channels.min()), float(channels.max())
    scaled = (channels - low) / max(high - low, 1e-12) * 255
    colours: Colours = np.broadcast_to(scaled, (3, *scaled.shape[1:])).transpose(1, 2, 0).astype(np.uint8)
    return np.ascontiguousarray(colours)


def _signal(sample: Samples) -> Colours:
    """Draw the mean of a signal's channels as a trace."""
    values = sample.mean(axis=0)
    long = 4 * _TRACE
    places = np.linspace(0, len(values) - 1, long)
    resampled = np.interp(places, np.arange(len(values)), values)
    low, high = float(resampled.min()), float(resampled.max())
    heights = (_TRACE - 4) - (resampled - low) / max(high - low, 1e-12) * (_TRACE - 8)
    picture = Image.new("RGB", (long, _TRACE), (40, 40, 40))
    line = [(float(x), float(y)) for x, y in enumerate(heights)]
    ImageDraw.Draw(picture).line(line, fill=(235, 235, 235), width=2)
    return np.asarray(picture)


def _volume(sample: Samples) -> Colours:
    return _image(sample.max(axis=1))


#: Number of spatial axes -> what draws a sample (C, *S).
_SHOWN: Mapping[int, Callable[[Samples], Colours]] = {1: _signal, 2: _image, 3: _volume}


def _evenly(count: int, most: int) -> list[int]:
    """Choose at most so many of 0 to count - 1, first and last included."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
