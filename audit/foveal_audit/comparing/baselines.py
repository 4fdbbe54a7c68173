"""Maps that know nothing of the model: what a method must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
#: Cells along each side of a random map: fine noise hides a sample sooner than any true map's blobs do.
RANDOM_SIDE = 8


def random_map(shape: tuple[int, ...], seed: int | Sequence[int]) -> Floats:
    """Draw a map of independent values, uniform in 0 to 1, on a coarse grid as that of a deep layer."""
    grid = tuple(min(side, RANDOM_SIDE) for side in shape)
    return np.random.default_rng(seed).random(grid, dtype=np.float32)


def centre_map(shape: tuple[int, ...], seed: int | Sequence[int]) -> Floats:  # noqa: ARG001 - one signature for all
    """Fall off linearly from 1 in the middle to 0 in the corners."""
    axes = np.meshgrid(
        *(np.linspace(-1, 1, side) if side > 1 else np.zeros(1) for side in shape), indexing="ij"
    )
    distance = np.sqrt(sum(axis**2 for axis in axes) / len(shape))
    return np.asarray(1 - distance, dtype=np.float32)


#: The baselines by the name that reports give them: shape and seed to a map.
BASELINES: dict[str, Callable[[tuple[int, ...], int | Sequence[int]], Floats]] = {
    "random map": random_map,
    "centre": centre_map,
}
