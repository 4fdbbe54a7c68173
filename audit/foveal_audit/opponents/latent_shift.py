"""VAE latent shift: a latent of the pictures whose distribution differs from class to class.

Shortcut detection by variational autoencoders (Fraunhofer AISEC, 2023): ten latents, weight 3 on the
divergence; latents are ranked by the greatest Wasserstein distance between two classes (MPWD) and by a linear
probe's weight. There a person looks at latent traversals and decides; here the samples at both ends of a
latent are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LogisticRegression

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found
from foveal_audit.opponents.small_vae import latents

#: Published: number of latents and weight of the divergence. Ours: what counts as an end of a latent.
_AXES, _DIVERGENCE = 10, 3.0
_END = 0.1
_LEAST = 24


def shift(values: NDArray[np.float64], outcomes: NDArray[np.int64]) -> float:
    """Give the greatest Wasserstein distance between two classes' values of a latent (n,)."""
    own = [values[outcomes == one] for one in np.unique(outcomes)]
    return max((float(wasserstein_distance(a, b)) for a, b in combinations(own, 2)), default=0.0)


def probe(points: NDArray[np.float64], outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give each latent's share of a linear probe's weight, at the class where it is largest; (axes,)."""
    weights = np.abs(LogisticRegression(max_iter=200).fit(points, outcomes).coef_)
    return np.asarray((weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)).max(axis=0))


def find(seen: Seen, seed: int) -> Sequence[Found]:
    """Show both ends of every latent; its score is the shift in deviations plus the probe's share."""
    own = seen.of("training")
    outcomes = seen.samples.outcomes[seen.rows[own]]
    if len(own) < _LEAST or len(np.unique(outcomes)) < 2:
        return []
    points = latents(seen.thumbs[own], _AXES, _DIVERGENCE, seed)
    points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-9)
    weights = probe(points, outcomes)
    found: list[Found] = []
    for values, weight in zip(points.T, weights, strict=True):
        score = shift(values, outcomes) + float(weight)
        low, high = np.quantile(values, (_END, 1 - _END))
        found += [(seen.rows[own[end]], score) for end in (values <= low, values >= high)]
    return found
