"""SpRAy's clusters as ShortKit-ML judges clusters of maps: by three rules of thumb.

Rules: a small cluster of one class; maps focused on little in a cluster of one class; clusters that are well
separated but not by class. Re-implemented from its description (MIT licence, 2026); there the rules
answer yes or no, here the margins rank as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found
from foveal_audit.opponents.spray import strategies

#: Published thresholds: size of a small cluster, purity, focus, separation, and purity that is none.
_SMALL, _PURE, _FOCUSED, _SEPARATE, _ALIGNED = 0.05, 0.8, 0.6, 0.3, 0.6
_MOST = 10


def focus(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say how little of a picture each map (n, h, w) speaks of: 1 - entropy / log(positions), 0 to 1."""
    rows = np.maximum(maps, 0).reshape(len(maps), -1).astype(np.float64)
    rows /= np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
    entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
    return np.asarray(1 - entropy / np.log(rows.shape[1]))


def _stretched(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Stretch each map (n, h, w) to 0 .. 1, as a row."""
    rows = maps.reshape(len(maps), -1).astype(np.float64)
    rows -= rows.min(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.max(axis=1, keepdims=True), 1e-12))


def find(seen: Seen, seed: int) -> Sequence[Found]:
    """Score the clusters of all classes together by the rules."""
    parts = list(strategies(seen, seed, _MOST))
    if not parts:
        return []
    own = np.concatenate([part.own for part in parts])
    labels = np.concatenate([part.labels + _MOST * number for number, part in enumerate(parts)])
    outcomes, maps = seen.samples.outcomes[seen.rows[own]], seen.maps[own]
    found = judge(labels, outcomes, focus(maps), _silhouette(_stretched(maps), labels))
    return [(seen.rows[own[labels == label]], score) for label, score in found.items()]


def _silhouette(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(silhouette_score(rows, labels)) if 1 < len(np.unique(labels)) < len(rows) else 0.0


def judge(
    labels: NDArray[np.int64], outcomes: NDArray[np.int64], focused: NDArray[np.float64], silhouette: float
) -> dict[int, float]:
    """Score each cluster: how many rules hold (whole numbers), and by how much the best of them (below 1)."""
    purity = {int(one): _purity(outcomes[labels == one]) for one in np.unique(labels)}
    mixed = silhouette >= _SEPARATE and float(np.mean(list(purity.values()))) < _ALIGNED
    return {
        one: _score(float((labels == one).mean()), pure, float(focused[labels == one].mean()), mixed)
        for one, pure in purity.items()
    }


def _purity(outcomes: NDArray[np.int64]) -> float:
    return float(np.unique(outcomes, return_counts=True)[1].max() / len(outcomes))


def _score(size: float, purity: float, focused: float, mixed: bool) -> float:
    rules = [size < _SMALL and purity >= _PURE, focused >= _FOCUSED and purity >= _PURE, mixed]
    return sum(rules) + 0.99 * purity * max(1 - size, focused)
