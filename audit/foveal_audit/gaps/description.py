"""Four descriptions: windows and whole pictures, each as the network sees them and as it does not.

A network is blind to what it never needed; intensities, edges and noise are not. A window shows what the
model looks at, a whole picture shows what it leaves aside. Gaps are looked for in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal.crops import cut
from foveal.samples.values import Values
from foveal_audit.bench import Spaced, reader_of, usual_spacing
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.harmless import harmless_copy
from foveal_audit.gaps.spaces import Floats, Space, standardised
from foveal_audit.gaps.styles import STYLES
from foveal_audit.spans import Span, span_of
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
#: Samples that tell which values there are.
_SPANNED = 16


def intensities(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops (n, C, *s) in 0 to 1 by quantiles, histogram and mean edge of every channel."""
    parts = [_intensities(images[start : start + _CROPS]) for start in range(0, len(images), _CROPS)]
    return np.concatenate(parts)


def _intensities(images: NDArray[np.float32]) -> NDArray[np.float32]:
    number, channels = images.shape[:2]
    flat = images.reshape(number * channels, -1)
    quantiles = _quantiles(np.sort(flat, axis=1))
    cells = np.minimum((flat * _BINS).astype(np.int64), _BINS - 1) + _BINS * np.arange(len(flat))[:, None]
    counts = np.bincount(cells.ravel(), minlength=_BINS * len(flat)).reshape(len(flat), _BINS)
    edges = np.abs(np.diff(images, axis=2)).mean(axis=tuple(range(2, images.ndim)))
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
    scene = _Scene(source, model, reader_of(model), seed)
    spaces = [*_window_spaces(scene), *_picture_spaces(scene)]
    return [space for space in spaces if space is not None]


@dataclass(frozen=True)
class _Scene:
    """What is described, by which network, how samples are read, and the source of the harmless changes."""

    source: Source
    model: AuditedModel
    read: Callable[[str], Values]
    seed: int

    def sample(self, row: int) -> Values:
        return self.read(str(self.source.samples.origins[row]))

    def copy(self, row: int) -> Values:
        return harmless_copy(self.sample(row), np.random.default_rng([self.seed, row]))

    def embedder(self, crop: Values, shape: tuple[int, ...]) -> CropEmbedder:
        spacing = usual_spacing(self.read, self.source.samples, self.source.readable)
        return CropEmbedder(self.model, (crop, shape), spacing)


def _window_spaces(scene: _Scene) -> Iterator[Space | None]:
    source = scene.source
    windows, samples = source.windows, source.samples
    spacings = [samples.spacing(owner) or () for owner in windows.owner.tolist()]
    crops = [Spaced.of(windows.crop(row), spacing) for row, spacing in enumerate(spacings)]
    shapes = [samples.shapes[owner] for owner in windows.owner]
    embed = scene.embedder(crops[0], shapes[0])
    rows = np.flatnonzero(np.isin(windows.owner, source.copied))
    copies = _changed_crops(scene, rows)
    owner = windows.owner[rows]
    changed = embed(copies, [shapes[row] for row in rows]) if copies else None
    yield standardised("network", embed(crops, shapes), windows.owner, changed, owner)
    small = _resized(copies, windows.images.shape[1], windows.span) if copies else None
    described = None if small is None else intensities(small)
    yield standardised("intensity", intensities(windows.images), windows.owner, described, owner)


def _resized(crops: Sequence[Values], channels: int, span: Span) -> Floats:
    """Bring crops to the size and the channels that the windows' images have."""
    images = [resize_crop(crop, span=span) for crop in crops]
    return np.stack([one if len(one) == channels else one[:3].mean(axis=0, keepdims=True) for one in images])


def _changed_crops(scene: _Scene, rows: NDArray[np.int64]) -> list[Values]:
    """Cut windows out of their samples after a harmless change, in the order of the rows."""
    windows = scene.source.windows
    owners, changed = windows.owner[rows], dict[int, Values]()
    for sample in np.unique(owners):
        whole = scene.copy(int(sample))
        for row in rows[owners == sample]:
            changed[int(row)] = cut(whole, tuple(windows.boxes[row].tolist())).copy()
    return [changed[int(row)] for row in rows]


def _picture_spaces(scene: _Scene) -> Iterator[Space | None]:
    source = scene.source
    if not source.whole:
        return
    samples = source.samples
    used = (samples.of("training") | samples.of("production")) & source.readable
    rows = np.flatnonzero(used)
    embed = scene.embedder(scene.sample(int(rows[0])), samples.shapes[int(rows[0])])
    span = _span(scene, rows)
    seen, style = _described(scene.sample, scene, embed, rows, span)
    seen_copies, style_copies = _described(scene.copy, scene, embed, source.copied, span)
    yield standardised("whole picture, network", seen, rows, seen_copies, source.copied)
    if len({one.shape for one in (style[0], style_copies[0])}) == 1:
        yield standardised("whole picture, style", style, rows, style_copies, source.copied)


def _span(scene: _Scene, rows: NDArray[np.int64]) -> Span:
    """Say which values count as 0 and 1 in whole samples."""
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SPANNED)).astype(np.int64))
    return span_of([scene.sample(int(rows[place])) for place in some])


def _described(
    give: Callable[[int], Values], scene: _Scene, embed: CropEmbedder, rows: NDArray[np.int64], span: Span
) -> tuple[Floats, Floats]:
    """Describe samples by network and by style, piece by piece."""
    samples = scene.source.samples
    styles = STYLES[samples.axes]
    seen: list[Floats] = []
    style: list[Floats] = []
    for start in range(0, len(rows), _AT_A_TIME):
        own = [int(row) for row in rows[start : start + _AT_A_TIME]]
        pictures = [give(row) for row in own]
        seen.append(embed(pictures, [samples.shapes[row] for row in own]))
        style += styles(pictures, span)
    widths = {len(one) for one in style}
    if len(widths) > 1:  # grey and colour pictures do not compare in style
        style = [np.zeros(1, dtype=np.float32)] * len(style)
    return np.concatenate(seen), np.stack(style)
