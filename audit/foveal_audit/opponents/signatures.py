"""Spectral signatures: samples that a class's activations stretch along more than along anything else.

Tran et al., NeurIPS 2018; defaults of the Adversarial Robustness Toolbox (MIT licence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found

#: 1.5 times the expected share of poison is set aside, as published; the share is the toolbox's default.
_MULTIPLIER, _EXPECTED = 1.5, 0.33
_LEAST = 24


def signatures(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score samples (n, D) of one class: squared projection on the first right singular vector of the rest.

    In units of its mean, so that classes and models compare; zeros where all samples are alike.
    """
    centred = features.astype(np.float64) - features.mean(axis=0)
    leading = np.linalg.svd(centred, full_matrices=False)[2][0]
    squares = (centred @ leading) ** 2
    return np.asarray(squares / max(float(squares.mean()), 1e-12))


def find(seen: Seen, seed: int) -> Sequence[Found]:  # noqa: ARG001 - no chance in it
    """Set the highest scores of each class aside; a group's score is its mean."""
    found: list[Found] = []
    for own in seen.classes(seen.samples.outcomes, _LEAST):
        scores = signatures(seen.features[own])
        outside = scores > np.quantile(scores, 1 - _MULTIPLIER * _EXPECTED)
        found += [
            (seen.rows[own[part]], float(scores[part].mean())) for part in (outside, ~outside) if part.any()
        ]
    return found
