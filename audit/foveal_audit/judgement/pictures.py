"""Whole pictures, described cell by cell without any model: where something stands out, and what is there."""

from __future__ import annotations

from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.cluster import MiniBatchKMeans

from foveal_audit.bench import ModelBench
from foveal_audit.units.appearance import resize_crop
from foveal_audit.windows import Samples

#: Side to which pictures are brought, cells per side, kinds of cells, and pictures that are looked at.
_SIDE, CELLS, _WORDS, _MOST = 64, 16, 48, 800
_STEP = _SIDE // CELLS
#: Pictures that are described at a time.
_AT_A_TIME = 32


class Pictures:
    """Training pictures on a grid of 16 x 16 cells.

    Parameters
    ----------
    bench
        Reads the pixels.
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

    def places(self, owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the position of samples among the pictures, -1 for those that are not looked at."""
        return np.array([self._places.get(int(owner), -1) for owner in owners], dtype=np.int64)

    @cached_property
    def cells(self) -> NDArray[np.float32]:
        """Describe every cell: colour, contrast and four directions of its lines, (n, 16, 16, 9)."""
        described = [np.zeros((0, CELLS, CELLS, 9), np.float32)]
        for start in range(0, len(self.rows), _AT_A_TIME):
            rows = self.rows[start : start + _AT_A_TIME]
            described.append(_describe(np.stack([self._small(int(row)) for row in rows])))
        return np.concatenate(described)

    def _small(self, row: int) -> NDArray[np.float32]:
        """Give a picture (3, 64, 64); of others than colour pictures the first channel three times."""
        picture = resize_crop(self._bench.pixels(row), _SIDE)
        return picture[:3] if len(picture) >= 3 else np.repeat(picture[:1], 3, axis=0)

    @cached_property
    def salience(self) -> NDArray[np.float32]:
        """Say how many usual deviations every cell is off the rest of its picture, (n, 16, 16)."""
        cells = self.cells
        usual = np.median(cells, axis=(1, 2), keepdims=True)
        off = np.abs(cells - usual)
        scale = np.median(off, axis=(0, 1, 2)) + 1e-3
        return np.asarray(uniform_filter(np.sqrt(((off / scale) ** 2).mean(axis=3)), (0, 3, 3)), np.float32)

    @cached_property
    def words(self) -> NDArray[np.int64]:
        """Give every cell the number of its kind, (n, 16, 16)."""
        flat = self.cells.reshape(-1, self.cells.shape[-1])
        flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
        model = MiniBatchKMeans(_WORDS, n_init=1, max_iter=20, random_state=0, batch_size=2048)
        chosen = np.random.default_rng(0).permutation(len(flat))[:20000]
        numbers = model.fit(flat[chosen]).predict(flat)
        return np.asarray(numbers, dtype=np.int64).reshape(self.cells.shape[:3])

    def masks(self, boxes: NDArray[np.float64], margin: float = 0.0) -> NDArray[np.bool_]:
        """Mark the cells that boxes (n, 4), as shares of the picture, touch, (n, 16, 16)."""
        low, high = boxes[:, :2] - margin, boxes[:, 2:] + margin
        starts, ends = np.arange(CELLS) / CELLS, np.arange(1, CELLS + 1) / CELLS
        rows = (starts < high[:, :1] - 1e-9) & (ends > low[:, :1] + 1e-9)
        columns = (starts < high[:, 1:] - 1e-9) & (ends > low[:, 1:] + 1e-9)
        return np.asarray(rows[:, :, None] & columns[:, None, :])


def _describe(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe pictures (n, 3, 64, 64) cell by cell, (n, 16, 16, 9)."""
    grey = colour.mean(axis=1)
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    turn = (np.arctan2(down, right) % np.pi) * 4 / np.pi
    near = [
        np.maximum(0, 1 - np.minimum(np.abs(turn - k), 4 - np.abs(turn - k))) * strength for k in range(4)
    ]
    lines = _per_cell(np.stack(near, axis=1))
    contrast = np.sqrt(np.maximum(_per_cell(grey**2) - _per_cell(grey) ** 2, 0))
    parts = [_per_cell(colour), contrast[:, None], lines, lines.sum(axis=1, keepdims=True)]
    return np.moveaxis(np.concatenate(parts, axis=1), 1, 3)


def _per_cell(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the means of the cells of planes (..., 64, 64), (..., 16, 16)."""
    rows = reduce(np.add, [planes[..., step::_STEP] for step in range(_STEP)])
    cells = reduce(np.add, [rows[..., step::_STEP, :] for step in range(_STEP)])
    return np.asarray(cells / np.float32(_STEP**2), dtype=np.float32)
