"""What is wrong with a node before anybody asks what it stands for: dead, always on, or there twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Below this part of the samples a node that is above zero is all but dead.
_RARE = 0.01
#: Correlation from which two nodes of a layer are one.
_TWIN = 0.98


def firing_notes(values: NDArray[np.float32]) -> list[str]:
    """Say of each node how it fires where that makes it useless.

    Parameters
    ----------
    values
        float32 (n, nodes), the value of each node of a layer for each sample; of a convolution its channels.

    Returns
    -------
    Per node a note, or "".
    """
    return [_firing(own) for own in np.asarray(values).T]


def _firing(values: NDArray[np.float32]) -> str:
    positive, top = np.count_nonzero(values > 0), float(values.max(initial=0))
    if not positive:
        return "dead: never above zero"
    if np.ptp(values) == 0:
        return "constant: the same for every sample"
    if positive < _RARE * len(values):
        return f"nearly dead: above zero in {positive} of {len(values)} samples"
    if np.median(values) > top / 2:
        return "over-firing: above half of its highest value in half of the samples"
    return ""


def twins(values: NDArray[np.float32]) -> dict[int, int]:
    """Find nodes that say the same as another node of their layer.

    Parameters
    ----------
    values
        float32 (n, nodes).

    Returns
    -------
    Node to the first node of the layer with which it correlates by 0.98 or more; constant nodes have none.
    """
    centred = values - values.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centred, axis=0)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
    alike = np.triu(unit.T @ unit >= _TWIN, 1)
    return {int(node): int(alike[:, node].argmax()) for node in np.flatnonzero(alike.any(axis=0))}
