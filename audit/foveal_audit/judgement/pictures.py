"""Whole pictures, described cell by cell without any model: where something stands out, and what is there."""

from __future__ import annotations

from functools import cached_property

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
        described = [_describe(resize_crop(self._bench.pixels(int(row)), _SIDE)) for row in self.rows]
        return np.stack(described) if described else np.zeros((0, CELLS, CELLS, 9), np.float32)

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


def _describe(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe a picture (C, 64, 64) cell by cell, (16, 16, 9)."""
    colour = picture[:3] if len(picture) >= 3 else np.repeat(picture[:1], 3, axis=0)
    grey = colour.mean(axis=0)
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    turn = (np.arctan2(down, right) % np.pi) * 4 / np.pi
    near = [
        np.maximum(0, 1 - np.minimum(np.abs(turn - k), 4 - np.abs(turn - k))) * strength for k in range(4)
    ]
    means = _per_cell(np.stack([*colour, grey**2, *near]))
    contrast = np.sqrt(np.maximum(means[3] - _per_cell(grey[None])[0] ** 2, 0))
    return np.concatenate([means[:3], contrast[None], _summed(means[4:])]).transpose(1, 2, 0)


def _summed(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give lines in four directions and all together, (5, 16, 16)."""
    return np.concatenate([lines, lines.sum(axis=0, keepdims=True)])


def _per_cell(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    blocks = planes.reshape(len(planes), CELLS, _STEP, CELLS, _STEP)
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)
