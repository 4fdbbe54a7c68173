"""Whole samples, described cell by cell without any model: where something stands out, and what is there."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.cluster import MiniBatchKMeans

from foveal_audit.bench import ModelBench, span_of_samples
from foveal_audit.judgement.cells import GRIDS, Grid
from foveal_audit.spans import Span
from foveal_audit.windows import Samples

#: Kinds of cells, and samples that are looked at.
_WORDS, _MOST = 48, 800
#: Samples that are described at a time.
_AT_A_TIME = 32


class Pictures:
    """Training samples on a grid of cells: 16 x 16 of a picture.

    Parameters
    ----------
    bench
        Reads the samples.
    samples
        The library's samples; of the readable training samples up to 800, evenly spaced, are looked at.

    Attributes
    ----------
    rows
        int64 (n,), the samples that are looked at.
    """

    def __init__(self, bench: ModelBench, samples: Samples) -> None:
        usable = np.flatnonzero(samples.of("training") & bench.readable)
        spaced = np.linspace(0, len(usable) - 1, min(_MOST, len(usable))).astype(np.int64)
        self.rows: NDArray[np.int64] = usable[spaced]
        self._bench, self._samples = bench, samples
        self._places = {int(row): place for place, row in enumerate(self.rows)}

    @cached_property
    def _grid(self) -> Grid:
        return GRIDS[self._samples.axes]

    @property
    def cells_of(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return (self._grid.cells,) * self._samples.axes

    def places(self, owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the position of samples among the pictures, -1 for those that are not looked at."""
        return np.array([self._places.get(int(owner), -1) for owner in owners], dtype=np.int64)

    @cached_property
    def _span(self) -> Span:
        return span_of_samples(self._bench, self.rows)

    @cached_property
    def cells(self) -> NDArray[np.float32]:
        """Describe every cell, (n, *cells, D): of a picture colour, contrast and directions of its lines."""
        described = [np.zeros((0, *self.cells_of, self._grid.width), np.float32)]
        for start in range(0, len(self.rows), _AT_A_TIME):
            rows = self.rows[start : start + _AT_A_TIME]
            described.append(self._grid.describe(map(self._bench.pixels, rows.tolist()), self._span))
        return np.concatenate(described)

    @cached_property
    def salience(self) -> NDArray[np.float32]:
        """Say how many usual deviations every cell is off the rest of its sample, (n, *cells)."""
        cells = self.cells
        places = tuple(range(1, cells.ndim - 1))
        usual = np.median(cells, axis=places, keepdims=True)
        off = np.abs(cells - usual)
        scale = np.median(off, axis=(0, *places)) + 1e-3
        far = np.sqrt(((off / scale) ** 2).mean(axis=-1))
        return np.asarray(uniform_filter(far, (0, *(3 for _ in places))), np.float32)

    @cached_property
    def words(self) -> NDArray[np.int64]:
        """Give every cell the number of its kind, (n, *cells)."""
        flat = self.cells.reshape(-1, self.cells.shape[-1])
        flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
        model = MiniBatchKMeans(_WORDS, n_init=1, max_iter=20, random_state=0, batch_size=2048)
        chosen = np.random.default_rng(0).permutation(len(flat))[:20000]
        numbers = model.fit(flat[chosen]).predict(flat)
        return np.asarray(numbers, dtype=np.int64).reshape(self.cells.shape[:-1])

    def masks(self, boxes: NDArray[np.float64], margin: float = 0.0) -> NDArray[np.bool_]:
        """Mark the cells that boxes (n, 2 axes), as shares of the sample, touch, (n, *cells)."""
        low, high = np.split(boxes, 2, axis=1)
        low, high, axes = low - margin, high + margin, low.shape[1]
        starts, ends = (
            np.arange(self._grid.cells) / self._grid.cells,
            np.arange(1, self._grid.cells + 1) / self._grid.cells,
        )
        touched = np.ones((len(boxes), *[1] * axes), dtype=bool)
        for axis in range(axes):
            along = (starts < high[:, axis, None] - 1e-9) & (ends > low[:, axis, None] + 1e-9)
            touched = touched & along.reshape(
                len(boxes), *(-1 if place == axis else 1 for place in range(axes))
            )
        return np.asarray(touched)
