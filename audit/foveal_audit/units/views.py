"""The two embeddings in which windows are told apart: the network's own, and how they look to anyone.

Looks are taken in two parts, shape and tone, because their numbers do not compare: a facet separates by its
looks where it does so in either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from foveal_audit.units.appearance import tones
from foveal_audit.windows import Windows

#: The network's own embedding: how evidence flows through its channels, or what it makes of a crop.
NETWORK = "network"
#: The model-independent embedding and its parts.
LOOKS = "looks"
SHAPE, TONE = "shape", "tone"

#: Dimensions that are kept: about as many as a small facet has windows, else chance alone tells it apart.
_WIDTHS: Mapping[str, int] = {NETWORK: 16, SHAPE: 8, TONE: 6}


def described(windows: Windows, network: NDArray[np.float32] | None) -> dict[str, NDArray[np.float32]]:
    """Describe windows in both embeddings.

    Parameters
    ----------
    windows
        With crops.
    network
        float32 (n, D), the network's own description of them, or None where it has none.

    Returns
    -------
    Per view float32 (n, D).
    """
    own = {} if network is None or not network.shape[1] else {NETWORK: network}
    return own | {SHAPE: windows.gradients, TONE: tones(windows.images)}


def narrowed(views: Mapping[str, NDArray[np.float32]], *, seed: int) -> dict[str, NDArray[np.float32]]:
    """Give the main axes (n, few) of each view (n, D); where nothing varies, one axis of zeros."""
    return {name: _narrow(points, _WIDTHS[name], seed) for name, points in views.items()}


def _narrow(points: NDArray[np.float32], width: int, seed: int) -> NDArray[np.float32]:
    if not points.size or not np.ptp(points, axis=0).any():
        return np.zeros((len(points), 1), dtype=np.float32)
    kept = PCA(min(width, *points.shape), random_state=seed)
    return np.asarray(kept.fit_transform(points), dtype=np.float32)


def by_embedding(separations: Mapping[str, float]) -> dict[str, float]:
    """Say per embedding how far a facet lies from its nearest rival; by looks, the larger of both parts."""
    own = {name: value for name, value in separations.items() if name == NETWORK}
    looks = [separations[name] for name in (SHAPE, TONE) if name in separations]
    return own | ({LOOKS: max(looks)} if looks else {})
