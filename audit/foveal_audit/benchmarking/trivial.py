"""Opponents that look at one plain property of a cluster: what the audit must beat by far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from foveal.archives import AuditedModel
from foveal_audit.benchmarking.opponent import Foreign, Group
from foveal_audit.units.contribution import directions, fit_units
from foveal_audit.windows import Evidence, Samples, Windows

#: From a cluster and all samples to a score.
Property = Callable[[Windows, Samples], float]


def _smallness(windows: Windows, samples: Samples) -> float:
    """Say how few of the samples a cluster comes from."""
    return 1 - len(np.unique(windows.owner)) / len(samples)


def _extent(windows: Windows, samples: Samples) -> float:  # noqa: ARG001 - one signature for all
    """Say how small its crops are."""
    sides = windows.boxes[:, 2:] - windows.boxes[:, :2]
    return -float(np.prod(sides, axis=1).mean())


def _remoteness(windows: Windows, samples: Samples) -> float:
    """Say how far from the middle of the picture it lies."""
    return float(np.linalg.norm(windows.centres(samples) - 0.5, axis=1).mean())


def _strength(windows: Windows, samples: Samples) -> float:  # noqa: ARG001
    """Say how much of the evidence it holds."""
    return float(windows.share.mean())


@dataclass(frozen=True)
class PropertyOpponent:
    """Cluster the contribution windows of training and score each cluster by one property."""

    name: str
    measure: Property

    def artefacts(self, evidence: Evidence, model: AuditedModel, seed: int) -> Sequence[Group]:  # noqa: ARG002
        """Score the clusters."""
        samples = evidence.samples
        windows = evidence.contribution.take(samples.of("training")[evidence.contribution.owner])
        if not len(windows):
            return []
        labels = fit_units(windows.vectors, seed=seed).predict(directions(windows.vectors))
        groups = [windows.take(labels == label) for label in np.unique(labels)]
        return [Group(group, self.measure(group, samples)) for group in groups]

    def gaps(self, evidence: Evidence, model: AuditedModel, seed: int) -> Foreign | None:  # noqa: ARG002
        """Look for none."""
        return None


TRIVIAL: dict[str, PropertyOpponent] = {
    one.name: one
    for one in (
        PropertyOpponent("cluster size", _smallness),
        PropertyOpponent("crop area", _extent),
        PropertyOpponent("centre distance", _remoteness),
        PropertyOpponent("mean attribution", _strength),
    )
}
