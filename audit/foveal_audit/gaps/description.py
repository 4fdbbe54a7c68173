"""Two descriptions of a crop: the audited network's, and one that knows nothing of the network.

A network is blind to what it never needed; intensities and edges are not. Gaps are looked for in both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.windows import Samples, Windows

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_BINS = 16


def intensities(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops (n, C, h, w) in 0 to 1 by quantiles, histogram and mean edge of every channel."""
    number, channels = images.shape[:2]
    flat = images.reshape(number, channels, -1)
    quantiles = np.quantile(flat, _QUANTILES, axis=2).transpose(1, 2, 0)
    cells = np.minimum((flat * _BINS).astype(int), _BINS - 1)
    histogram = np.stack([(cells == cell).mean(axis=2) for cell in range(_BINS)], axis=2)
    edges = np.abs(np.diff(images, axis=2)).mean(axis=(2, 3))[..., None]
    parts = [quantiles, np.sqrt(histogram), edges]
    return np.concatenate([part.reshape(number, -1) for part in parts], axis=1).astype(np.float32)


def describe(windows: Windows, samples: Samples, model: AuditedModel) -> dict[str, NDArray[np.float32]]:
    """Describe all windows in every space.

    Returns
    -------
    Per space (``network``, ``intensity``) float32 (n, D), standardised; channels that never vary are dropped.
    """
    crops = [windows.pixels(row) for row in range(len(windows))]
    shapes = [samples.shapes[owner] for owner in windows.owner]
    embed = CropEmbedder(model, (crops[0], shapes[0]))
    described = {"network": embed(crops, shapes), "intensity": intensities(windows.images)}
    spaces = {name: standardise(values) for name, values in described.items() if values.shape[1]}
    return {name: values for name, values in spaces.items() if values.shape[1]}


def standardise(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring every column to mean 0 and spread 1; columns without spread go, they would blow up."""
    spread = values.std(axis=0)
    largest = float(np.abs(values).max(initial=0))
    kept = spread > max(1e-3 * float(spread.max(initial=0)), 1e-6 * largest)  # more than rounding
    return np.asarray((values - values.mean(axis=0))[:, kept] / spread[kept], dtype=np.float32)
