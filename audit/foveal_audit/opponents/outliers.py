"""Local outliers among relevance vectors (Breunig et al., SIGMOD 2000).

The medical-ai-safety code lays relevance vectors out by UMAP before it asks for outliers, and shows a person
the 24 most outlying. Here they are compared where they are, by cosine, as no layout adds anything that the
vectors do not hold; and clusters of windows are ranked by how outlying they are on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor

from foveal.archives import AuditedModel
from foveal_audit.benchmarking.opponent import Foreign, Group
from foveal_audit.units.contribution import directions, fit_units
from foveal_audit.windows import Evidence

#: Published: neighbours, and the share of outliers.
_NEIGHBOURS, _CONTAMINATION = 20, 0.01
_LEAST = 24


def outlierness(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the local outlier factor of each vector (n, D) by cosine distance; 1 amid its like."""
    neighbours = max(1, min(_NEIGHBOURS, len(vectors) - 1))
    factor = LocalOutlierFactor(neighbours, contamination=_CONTAMINATION)
    factor.fit(directions(vectors))  # on unit vectors Euclid orders as the cosine does
    return -np.asarray(factor.negative_outlier_factor_, dtype=np.float64)


@dataclass(frozen=True)
class OutlierOpponent:
    """Clusters of windows whose relevance flows like no other's."""

    name: str

    def artefacts(self, evidence: Evidence, model: AuditedModel, seed: int) -> Sequence[Group]:  # noqa: ARG002
        """Score each contribution unit of training by its mean factor."""
        training = evidence.samples.of("training")[evidence.contribution.owner]
        windows = evidence.contribution.take(training)
        if len(windows) < _LEAST:
            return []
        factors = outlierness(windows.vectors)
        labels = fit_units(windows.vectors, seed=seed).labels_
        return [
            Group(windows.take(labels == label), float(factors[labels == label].mean()))
            for label in np.unique(labels)
        ]

    def gaps(self, evidence: Evidence, model: AuditedModel, seed: int) -> Foreign | None:  # noqa: ARG002
        """Look for none."""
        return None
