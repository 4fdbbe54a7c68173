"""Four descriptions: windows and whole pictures, each as the network sees them and as it does not.

A network is blind to what it never needed; intensities, edges and noise are not. A window shows what the
model looks at, a whole picture shows what it leaves aside. Gaps are looked for in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal.samples import read_image
from foveal.samples.images import Pixels
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.harmless import harmless_copy
from foveal_audit.gaps.spaces import Floats, Space, standardised
from foveal_audit.gaps.style import picture_styles
from foveal_audit.units.appearance import resize_crop
from foveal_audit.windows import Samples, Windows

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_BINS = 16
#: Training samples that are described again after a harmless change.
COPIED = 500
#: Whole pictures are described where this part of each source can be read.
_READABLE = 0.9
#: Pictures that are in memory, and crops that are described, at a time.
_AT_A_TIME, _CROPS = 64, 256


def intensities(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops (n, C, h, w) in 0 to 1 by quantiles, histogram and mean edge of every channel."""
    parts = [_intensities(images[start : start + _CROPS]) for start in range(0, len(images), _CROPS)]
    return np.concatenate(parts)


def _intensities(images: NDArray[np.float32]) -> NDArray[np.float32]:
    number, channels = images.shape[:2]
    flat = images.reshape(number * channels, -1)
    quantiles = _quantiles(np.sort(flat, axis=1))
    cells = np.minimum((flat * _BINS).astype(np.int64), _BINS - 1) + _BINS * np.arange(len(flat))[:, None]
    counts = np.bincount(cells.ravel(), minlength=_BINS * len(flat)).reshape(len(flat), _BINS)
    edges = np.abs(np.diff(images, axis=2)).mean(axis=(2, 3))
    parts = [quantiles, np.sqrt(counts / max(flat.shape[1], 1)), edges.reshape(-1, 1)]
    widths = (part.reshape(number, channels * part.shape[1]) for part in parts)
    return np.concatenate(list(widths), axis=1).astype(np.float32)


def _quantiles(ordered: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate between the ranks of rows in rising order as numpy does, which sorts them anew."""
    places = np.array(_QUANTILES) * (ordered.shape[1] - 1)
    below = np.floor(places).astype(np.int64)
    low, high = ordered[:, below], ordered[:, np.minimum(below + 1, ordered.shape[1] - 1)]
    return np.asarray(low + (high - low) * (places - below), dtype=np.float32)


@dataclass(frozen=True)
class Source:
    """What is described: windows, the samples they belong to, and which of those can be read.

    Attributes
    ----------
    readable
        bool (samples,), the file is there and unchanged.
    copied
        Positions of the training samples that are changed harmlessly.
    """

    windows: Windows
    samples: Samples
    readable: NDArray[np.bool_]
    copied: NDArray[np.int64]

    @property
    def whole(self) -> bool:
        """Whether enough pictures of both sources can be read."""
        masks = [self.samples.of(source) for source in ("training", "production")]
        return all(mask.any() and self.readable[mask].mean() >= _READABLE for mask in masks)


def source_of(windows: Windows, samples: Samples, readable: NDArray[np.bool_], seed: int) -> Source:
    """Choose the training samples that are changed harmlessly."""
    known = np.flatnonzero(samples.of("training") & readable)
    chosen = np.sort(np.random.default_rng(seed).permutation(known)[:COPIED])
    return Source(windows, samples, readable, chosen)


def describe_spaces(source: Source, model: AuditedModel, seed: int) -> list[Space]:
    """Describe windows, and whole pictures where they can be read; spaces without any variation go.

    Parameters
    ----------
    source
        Windows and samples.
    model
        The audited model.
    seed
        Source of the harmless changes.
    """
    spaces = [*_window_spaces(source, model, seed), *_picture_spaces(source, model, seed)]
    return [space for space in spaces if space is not None]


def _window_spaces(source: Source, model: AuditedModel, seed: int) -> Iterator[Space | None]:
    windows, samples = source.windows, source.samples
    crops = [windows.pixels(row) for row in range(len(windows))]
    shapes = [samples.shapes[owner] for owner in windows.owner]
    embed = CropEmbedder(model, (crops[0], shapes[0]))
    rows = np.flatnonzero(np.isin(windows.owner, source.copied))
    copies = _changed_crops(source, rows, seed)
    owner = windows.owner[rows]
    changed = embed(copies, [shapes[row] for row in rows]) if copies else None
    yield standardised("network", embed(crops, shapes), windows.owner, changed, owner)
    small = _resized(copies, windows.images.shape[1]) if copies else None
    described = None if small is None else intensities(small)
    yield standardised("intensity", intensities(windows.images), windows.owner, described, owner)


def _resized(crops: Sequence[Pixels], channels: int) -> Floats:
    """Bring crops to the size and the channels that the windows' images have."""
    images = [resize_crop(crop) for crop in crops]
    return np.stack([one if len(one) == channels else one[:3].mean(axis=0, keepdims=True) for one in images])


def _changed_crops(source: Source, rows: NDArray[np.int64], seed: int) -> list[Pixels]:
    """Cut windows out of their pictures after a harmless change, in the order of the rows."""
    owners, changed = source.windows.owner[rows], dict[int, Pixels]()
    for sample in np.unique(owners):
        picture = _copy(source, int(sample), seed)
        for row in rows[owners == sample]:
            y0, x0, y1, x1 = source.windows.boxes[row]
            changed[int(row)] = picture[y0:y1, x0:x1].copy()
    return [changed[int(row)] for row in rows]


def _picture(source: Source, sample: int) -> Pixels:
    return read_image(Path(str(source.samples.origins[sample])))


def _copy(source: Source, sample: int, seed: int) -> Pixels:
    return harmless_copy(_picture(source, sample), np.random.default_rng([seed, sample]))


def _picture_spaces(source: Source, model: AuditedModel, seed: int) -> Iterator[Space | None]:
    if not source.whole:
        return
    samples = source.samples
    used = (samples.of("training") | samples.of("production")) & source.readable
    rows = np.flatnonzero(used)
    first = _picture(source, int(rows[0]))
    embed = CropEmbedder(model, (first, samples.shapes[int(rows[0])]))
    seen, style = _described(source, embed, rows, None)
    seen_copies, style_copies = _described(source, embed, source.copied, seed)
    yield standardised("whole picture, network", seen, rows, seen_copies, source.copied)
    if len({one.shape for one in (style[0], style_copies[0])}) == 1:
        yield standardised("whole picture, style", style, rows, style_copies, source.copied)


def _described(
    source: Source, embed: CropEmbedder, rows: NDArray[np.int64], seed: int | None
) -> tuple[Floats, Floats]:
    """Describe pictures by network and by style, piece by piece; with a seed after harmless changes."""
    seen: list[Floats] = []
    style: list[Floats] = []
    for start in range(0, len(rows), _AT_A_TIME):
        own = [int(row) for row in rows[start : start + _AT_A_TIME]]
        pictures = [_picture(source, row) if seed is None else _copy(source, row, seed) for row in own]
        seen.append(embed(pictures, [source.samples.shapes[row] for row in own]))
        style += picture_styles(pictures)
    widths = {len(one) for one in style}
    if len(widths) > 1:  # grey and colour pictures do not compare in style
        style = [np.zeros(1, dtype=np.float32)] * len(style)
    return np.concatenate(seen), np.stack(style)
