"""How unlike training a sample is, by the measures that detectors of foreign samples are built on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from foveal_audit.opponents.seen import Seen
from foveal_audit.units.contribution import directions

#: float64 (n,), one per readable sample; higher = less like training.
Scores = NDArray[np.float64]

#: Sun et al. take 50 of 50,000 training samples; with hundreds, ten are as local as can be told from chance.
_NEIGHBOURS = 10
_FOLDS = 5


def softmax(seen: Seen) -> Scores:
    """Give 1 - the largest probability (Hendrycks and Gimpel, ICLR 2017), 0 to 1."""
    return np.asarray(1 - np.exp(seen.logits.max(axis=1) - logsumexp(seen.logits, axis=1)))


def energy(seen: Seen) -> Scores:
    """Give the free energy of the logits at temperature 1 (Liu et al., NeurIPS 2020)."""
    return np.asarray(-logsumexp(seen.logits, axis=1))


def mahalanobis(seen: Seen) -> Scores:
    """Give the squared distance to the nearest class mean under one covariance (Lee et al., NeurIPS 2018).

    Of the last activations alone. Training samples are held against the means and the covariance of the
    others, in five parts: those that made them lie nearer than any new sample.
    """
    training = seen.of("training")
    outcomes = seen.samples.outcomes[seen.rows[training]]
    part = np.arange(len(training)) % _FOLDS
    scores = _distance(seen.features, seen.features[training], outcomes)
    for number in range(_FOLDS):
        rest = part != number
        if rest.any() and not rest.all():
            held = training[~rest]
            scores[held] = _distance(seen.features[held], seen.features[training[rest]], outcomes[rest])
    return scores


def _distance(points: NDArray[np.float32], known: NDArray[np.float32], outcomes: NDArray[np.int64]) -> Scores:
    known, points = known.astype(np.float64), points.astype(np.float64)
    classes, own = np.unique(outcomes, return_inverse=True)
    means = np.stack([known[own == one].mean(axis=0) for one in range(len(classes))])
    tied = EmpiricalCovariance(assume_centered=True).fit(known - means[own])
    return np.asarray(np.min([tied.mahalanobis(points - mean) for mean in means], axis=0))


def neighbours(seen: Seen) -> Scores:
    """Give the distance to the tenth training neighbour on the unit sphere (Sun et al., ICML 2022), 0 to 2.

    A training sample is no neighbour of itself.
    """
    training = seen.of("training")
    points = directions(seen.features)
    number = min(_NEIGHBOURS, len(training) - 1)
    if number < 1:
        return np.zeros(len(points))
    index = NearestNeighbors(n_neighbors=number).fit(points[training])
    scores = index.kneighbors(points)[0][:, -1].astype(np.float64)
    scores[training] = index.kneighbors()[0][:, -1]
    return np.asarray(scores)
