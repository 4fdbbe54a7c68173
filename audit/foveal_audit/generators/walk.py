"""A seeded random walk through latent space as a movie of smoothly changing crops (patent, S7)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from PIL import Image
from scipy.interpolate import CubicSpline

from .crops import Crops, Latents
from .generator import Generator
from .memorisation import CopyGuard
from .pictures import Pictures, as_pictures

if TYPE_CHECKING:
    from av.video.stream import VideoStream

FRAMES_PER_SECOND = 24
SECONDS = 5
_STOPS = 6  # draws that the walk passes: a new one about every second
_SIDES = {1: 128, 2: 128, 3: 204}  # the movie's longer side in pixels, by the number of axes
#: Preferred first; mpeg4 is part of every build of the encoder library.
_CODECS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "veryfast", "threads": "1"},
    "mpeg4": {"qscale": "3", "threads": "1"},
}


def walk_latents(generator: Generator, frames: int, seed: int) -> Latents:
    """Lay a smooth closed path (frames, d) through latents drawn from the generator's density.

    A periodic cubic spline: position, speed and acceleration have no jump, also where the loop closes.
    """
    stops = generator.draw(_STOPS, seed)
    times = np.arange(_STOPS + 1)
    path = CubicSpline(times, np.concatenate([stops, stops[:1]]), bc_type="periodic")
    return np.asarray(path(np.linspace(0, _STOPS, frames, endpoint=False)), np.float32)


def write_walk(
    generator: Generator,
    path: Path,
    *,
    seed: int,
    frames: int = FRAMES_PER_SECOND * SECONDS,
    guard: CopyGuard | None = None,
) -> None:
    """Write the walk as an MP4 (H.264, else MPEG-4) that loops without a jump, 128 px wide or more.

    Grain stands still while the picture changes. Frames that look like a real crop are left out;
    where none is left there is no movie.
    """
    crops = walk_crops(generator, frames, seed)
    fresh = crops if guard is None else crops[~guard.flags(crops)]
    if len(fresh):
        write_movie(_resized(as_pictures(fresh), _SIDES[fresh.ndim - 2]), path)


def walk_crops(generator: Generator, frames: int, seed: int) -> Crops:
    """Decode the walk (frames, C, *s), under one and the same grain."""
    crops = generator.decode(walk_latents(generator, frames, seed))
    if generator.texture is None:
        return crops
    return generator.grained(crops, generator.texture.draw(1, seed).repeat(frames, axis=0))


def write_movie(pictures: Pictures, path: Path) -> None:
    """Encode frames (n, h, w, 3) with even sides; equal frames give equal bytes."""
    codec = next(name for name in _CODECS if name in av.codecs_available)
    # "bitexact" leaves out dates and versions; "faststart" lets a browser play before all is loaded
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = cast("VideoStream", container.add_stream(codec, FRAMES_PER_SECOND, _CODECS[codec]))
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _resized(pictures: Pictures, side: int) -> Pictures:
    """Enlarge smoothly to the movie's size; sides become even, which 4:2:0 colour needs."""
    factor = max(side / max(pictures.shape[1:3]), 1.0)
    height, width = (2 * round(side * factor / 2) for side in pictures.shape[1:3])
    frames = (Image.fromarray(p).resize((width, height), Image.Resampling.BICUBIC) for p in pictures)
    return np.stack([np.asarray(frame) for frame in frames])
