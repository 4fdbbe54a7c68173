"""Measure all statistics of all pictures once: one pass, linear in pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values
from foveal_audit.properties.families import FAMILIES
from foveal_audit.properties.tiles import Batch, Floats, as_shares, is_measurable
from foveal_audit.spans import FULL, Span

#: Values of a batch at most: statistics need several times that in memory. Values of pictures of many shapes
#: that wait until there are enough of theirs.
_VALUES, _HELD = 1 << 21, 1 << 26

#: Per statistic float32 (n, tiles).
Measured = dict[str, Floats]


class Pictures(Protocol):
    """Gives samples by number."""

    def pixels(self, sample: int) -> Values:
        """Read one sample (*S, C)."""


def measure(bench: Pictures, samples: Sequence[int], span: Span = FULL) -> tuple[NDArray[np.int64], Measured]:
    """Measure every statistic of the samples that are large enough.

    Parameters
    ----------
    bench
        Gives the pixels.
    samples
        Numbers of the samples.
    span
        Which values count as 0 and 1.

    Returns
    -------
    Positions in ``samples`` of those measured, int64 (m,), ascending, and per statistic float32 (m, tiles).
    Where channels differ between samples only statistics that all have are given.
    """
    parts = sorted(_parts(bench, samples, span), key=lambda part: (part.shape, part.places))
    found = [part.measured for part in parts]
    order = np.array([place for part in parts for place in part.places], dtype=np.int64)
    rows = np.argsort(order)
    names = [name for name in found[0] if all(name in one for one in found)] if found else []
    return order[rows], {name: np.concatenate([one[name] for one in found])[rows] for name in names}


@dataclass(frozen=True)
class _Part:
    """Statistics of some pictures of one shape, and their places among the samples."""

    shape: tuple[int, ...]
    places: list[int]
    measured: Measured


def _parts(bench: Pictures, samples: Sequence[int], span: Span) -> Iterator[_Part]:
    """Read every picture once; those of one shape are measured as soon as there are enough."""
    waiting: dict[tuple[int, ...], list[tuple[int, Values]]] = defaultdict(list)
    held = 0
    for place, sample in enumerate(samples):
        pixels = bench.pixels(sample)
        if not is_measurable(pixels.shape):
            continue
        waiting[pixels.shape].append((place, pixels))
        held += pixels.size
        full = len(waiting[pixels.shape]) >= max(1, _VALUES // pixels.size)
        for shape in [pixels.shape] if full else list(waiting) if held > _HELD else []:
            own = waiting.pop(shape)
            held -= len(own) * own[0][1].size
            yield _part(own, span)
    yield from (_part(own, span) for own in waiting.values())


def _part(read: Sequence[tuple[int, Values]], span: Span) -> _Part:
    places, pictures = zip(*read, strict=True)
    return _Part(pictures[0].shape, list(places), _statistics(pictures, span))


def _statistics(pictures: Sequence[Values], span: Span) -> Measured:
    batch = Batch(np.stack([as_shares(values, span) for values in pictures]))
    families = FAMILIES[batch.axes].values()
    return {name: values for family in families for name, values in family(batch).items()}
