"""Which findings show one and the same detail: on the samples that both list, their windows coincide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from foveal_audit.bundle.boxes import common, size
from foveal_audit.bundle.masking import Box
from foveal_audit.bundle.schema import Assessment
from foveal_audit.report.properties import is_property

#: Windows that share this part of the smaller one show the same place.
SAME_PLACE = 0.25
#: In at least so many samples, and this part of those that both list, the windows have to coincide.
SAMPLES, PART = 10, 0.5


@dataclass(frozen=True)
class Coincidence:
    """In how many samples that both facets list their windows coincide: ``same`` of ``shared``."""

    same: int
    shared: int

    @property
    def holds(self) -> bool:
        """Whether both facets show the same detail."""
        return self.same >= SAMPLES and self.same >= PART * self.shared


def overlap(one: Box, other: Box) -> float:
    """Give the part of the smaller box that lies in the other, 0 to 1.

    Parameters
    ----------
    one, other
        Half-open boxes, all starts before all ends; of different dimensions they share nothing.
    """
    return common(one, other) / min(size(one), size(other))


def coincidence(one: Assessment, other: Assessment) -> Coincidence:
    """Count the samples in which the listed windows of two facets show the same place."""
    return _counted(_by_sample(one), _by_sample(other))


def grouped(assessments: Sequence[Assessment]) -> list[list[int]]:
    """Put together what shows the same detail, also by way of a third.

    Parameters
    ----------
    assessments
        In any order. Properties of whole pictures have no place, so each stays alone.

    Returns
    -------
    list of list of int
        Rows of ``assessments``, each in one group: groups by their first row, rows rising.
    """
    count = len(assessments)
    if not count:
        return []
    pairs = np.array(list(_linked(assessments)), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    labels = connected_components(graph, directed=False)[1].tolist()
    return [[row for row in range(count) if labels[row] == one] for one in dict.fromkeys(labels)]


def _linked(assessments: Sequence[Assessment]) -> Iterator[tuple[int, int]]:
    windows = [_by_sample(one) for one in assessments]
    for one, other in combinations(range(len(assessments)), 2):
        if _counted(windows[one], windows[other]).holds:
            yield one, other


def _counted(one: Mapping[str, list[Box]], other: Mapping[str, list[Box]]) -> Coincidence:
    shared = one.keys() & other.keys()
    return Coincidence(sum(_meet(one[sample], other[sample]) for sample in shared), len(shared))


def _meet(one: Sequence[Box], other: Sequence[Box]) -> bool:
    return any(overlap(a, b) >= SAME_PLACE for a in one for b in other)


def _by_sample(assessment: Assessment) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = {}
    for entry in () if is_property(assessment) else assessment.entries:
        found.setdefault(entry.sample, []).append(entry.window)
    return found
