"""How unlike the training library each production sample is: a conformal p-value per sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

#: The distance to the nearest so many counts.
NEIGHBOURS = 10
#: Reference windows at most: the search takes time with their number times that of all windows.
_REFERENCES = 8192


def sample_distances(
    reference: NDArray[np.float32], described: NDArray[np.float32], owner: NDArray[np.int64], samples: int
) -> NDArray[np.float64]:
    """Give each sample the distance of its least covered window to its tenth nearest reference window.

    Parameters
    ----------
    reference, described
        Descriptions (m, D) and (n, D).
    owner
        int64 (n,), sample of each described window.
    samples
        Number of samples.

    Returns
    -------
    float64 (samples,); -inf for a sample without windows.
    """
    neighbours = min(NEIGHBOURS, len(reference))
    distance = NearestNeighbors(n_neighbors=neighbours).fit(reference).kneighbors(described)[0][:, -1]
    furthest = np.full(samples, -np.inf)
    np.maximum.at(furthest, owner, distance)
    return furthest


def conformal_p(calibration: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say how often a held-out training sample is at least as far away: (1 + count) / (1 + size)."""
    ordered = np.sort(calibration)
    at_least = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1 + at_least) / (1 + len(ordered)))


def coverage(
    spaces: dict[str, NDArray[np.float32]],
    owner: NDArray[np.int64],
    training: NDArray[np.bool_],
    production: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Compute a p-value for every production sample.

    Half of the training samples are the reference, the other half calibrates; the smaller p over the
    spaces counts, doubled for each further space.

    Parameters
    ----------
    spaces
        Descriptions of all windows, (n, D) each.
    owner
        int64 (n,), sample of each window.
    training, production
        Masks over samples.
    rng
        Splits the training samples.

    Returns
    -------
    float64 (production samples,), in the order of the samples; small = unlike the training library.
    """
    reference = np.zeros(len(training), dtype=bool)
    trained = np.flatnonzero(training)
    reference[rng.permutation(trained)[: len(trained) // 2]] = True
    calibrating = training & ~reference
    rows = np.flatnonzero(reference[owner])
    if not len(rows) or not spaces:
        return np.ones(int(production.sum()))  # nothing to be unlike of, or nothing that ever differs
    if len(rows) > _REFERENCES:
        rows = np.sort(rng.choice(rows, _REFERENCES, replace=False))
    p_values = []
    for described in spaces.values():
        distance = sample_distances(described[rows], described, owner, len(training))
        p_values.append(conformal_p(distance[calibrating], distance[production]))
    return np.asarray(np.minimum(1, np.min(p_values, axis=0) * len(p_values)))
