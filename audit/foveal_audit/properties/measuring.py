"""Measure all statistics of all pictures once: one pass, linear in pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels
from foveal_audit.properties.families import FAMILIES
from foveal_audit.properties.tiles import Batch, Floats, as_shares, is_measurable

#: Values of a batch at most: statistics need several times that in memory.
_VALUES = 1 << 21

#: Per statistic float32 (n, tiles).
Measured = dict[str, Floats]


class Pictures(Protocol):
    """Gives samples by number."""

    def pixels(self, sample: int) -> Pixels:
        """Read one sample (H, W, C)."""


def measure(bench: Pictures, samples: Sequence[int]) -> tuple[NDArray[np.int64], Measured]:
    """Measure every statistic of the samples that are large enough.

    Parameters
    ----------
    bench
        Gives the pixels.
    samples
        Numbers of the samples.

    Returns
    -------
    Positions in ``samples`` of those measured, int64 (m,), ascending, and per statistic float32 (m, tiles).
    Where channels differ between samples only statistics that all have are given.
    """
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        shapes[bench.pixels(sample).shape].append(place)
    chosen = [
        one for shape, own in sorted(shapes.items()) if is_measurable(shape) for one in _cut(own, shape)
    ]
    found = [_statistics([bench.pixels(samples[place]) for place in places]) for places in chosen]
    order = np.array([place for places in chosen for place in places], dtype=np.int64)
    rows = np.argsort(order)
    names = [name for name in found[0] if all(name in one for one in found)] if found else []
    return order[rows], {name: np.concatenate([one[name] for one in found])[rows] for name in names}


def _cut(places: list[int], shape: Sequence[int]) -> list[list[int]]:
    size = max(1, _VALUES // int(np.prod(shape)))
    return [places[start : start + size] for start in range(0, len(places), size)]


def _statistics(pictures: Sequence[Pixels]) -> Measured:
    batch = Batch(np.stack([as_shares(pixels) for pixels in pictures]))
    return {name: values for family in FAMILIES.values() for name, values in family(batch).items()}
