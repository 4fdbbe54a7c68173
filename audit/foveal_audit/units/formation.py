"""How surely a facet is one kind of thing, and another than the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveal_audit.units.clouds import SEPARATE, clouds_of, nearest_rivals
from foveal_audit.units.stability import DOUBTFUL
from foveal_audit.units.views import by_embedding


@dataclass(frozen=True)
class Formation:
    """How surely a facet is one kind of thing, and another than the rest.

    Attributes
    ----------
    stability
        Mean Jaccard index with what the facet becomes when only a part of the windows is sorted, 0 to 1; None
        where that was not tried. Below 0.6 it should not be trusted (Hennig 2007).
    separation
        Per embedding (``network``, ``looks``) the distance to the nearest other facet of the same feature, or
        unit, in standard deviations: from 2.8 on it separates there. Empty where there is no other.
    """

    stability: float | None = None
    separation: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_doubtful(self) -> bool:
        """Whether it does not come back."""
        return self.stability is not None and self.stability < DOUBTFUL

    @property
    def separates(self) -> tuple[str, ...]:
        """Name the embeddings in which it separates from all others."""
        return tuple(name for name, value in self.separation.items() if value >= SEPARATE)

    def signals(self) -> dict[str, float]:
        """Give all that was measured, by the names under which a bundle lists it."""
        stable = {} if self.stability is None else {"stability": self.stability}
        return stable | {f"separation:{name}": value for name, value in self.separation.items()}


def formations(
    labels: NDArray[np.int64],
    views: Mapping[str, NDArray[np.float32]],
    stability: Sequence[float] | NDArray[np.float64],
) -> tuple[Formation, ...]:
    """Say of each cluster (0, 1, ..., none of them empty) how surely it is one.

    Parameters
    ----------
    labels
        int64 (n,).
    views
        Per name float32 (n, few).
    stability
        Of each cluster.
    """
    rivals = nearest_rivals(clouds_of(labels, views))
    pairs = zip(stability, rivals, strict=True)
    return tuple(Formation(float(stable), by_embedding(rival)) for stable, rival in pairs)
