"""Find the gaps of a library: what production shows and training hardly holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from foveal.archives import AuditedModel
from foveal_audit.gaps.coverage import coverage
from foveal_audit.gaps.description import describe
from foveal_audit.gaps.excess import (
    SIGNIFICANT,
    SMALLEST,
    SMALLEST_SHARE,
    Excess,
    find_excess,
    foreign_scores,
)
from foveal_audit.judgement.signals import conditional_association
from foveal_audit.units.facets import split_facets
from foveal_audit.windows import Samples, Windows

_SHOWN = 12
#: Training holds less than this part of production's share: the group is missing, not only rare.
_MISSING = 0.2


@dataclass(frozen=True)
class Gap:
    """A group of production samples that training hardly holds.

    Attributes
    ----------
    members
        Positions of the production samples.
    windows, nearest
        Positions of windows that show the group, and of the training windows nearest to them.
    space
        In which description it stands out.
    kind
        ``uncovered_group`` or ``under_represented``.
    share
        Part of production.
    trained
        Number of training samples that look alike.
    p
        Of such an excess where production is like training.
    explained_by
        Metadata value that goes with the group, per column.
    """

    members: NDArray[np.int64]
    windows: NDArray[np.int64]
    nearest: NDArray[np.int64]
    space: str
    kind: str
    share: float
    trained: int
    p: float
    explained_by: dict[str, str]


@dataclass(frozen=True)
class Gaps:
    """All gaps, and the p-value of every production sample in the order of the samples."""

    found: list[Gap]
    p_values: NDArray[np.float64]


def find_gaps(windows: Windows, samples: Samples, model: AuditedModel, seed: int) -> Gaps:
    """Look for gaps among the contribution windows.

    Parameters
    ----------
    windows
        Contribution windows of training and production.
    samples
        The samples that they belong to.
    model
        The audited model; one of the two descriptions is its own.
    seed
        Source of chance.
    """
    training, production = samples.of("training"), samples.of("production")
    used = (training | production)[windows.owner]
    windows = windows.take(used)
    spaces = describe(windows, samples, model)
    p_values = coverage(spaces, windows.owner, training, production, np.random.default_rng(seed))
    candidates = []
    for space, described in spaces.items():
        scores = foreign_scores(described, windows.owner, production[windows.owner], seed)
        excess = find_excess(scores, windows.owner, training, production)
        if excess and excess.p * len(spaces) <= SIGNIFICANT:
            candidates.append((space, excess))
    rows = np.flatnonzero(used)
    gaps = [
        _describe_gap(space, excess, spaces[space], windows, samples, rows)
        for space, excess in _apart(candidates, windows, production.sum(), seed)
    ]
    return Gaps(gaps, p_values)


def _apart(
    candidates: list[tuple[str, Excess]], windows: Windows, produced: int, seed: int
) -> list[tuple[str, Excess]]:
    """Take the strongest candidate whole or in its kinds of appearance, then what others add to it."""
    taken: set[int] = set()
    groups: list[tuple[str, Excess]] = []
    for space, excess in sorted(candidates, key=lambda candidate: -len(candidate[1].members)):
        fresh = np.array([member for member in excess.members if int(member) not in taken], dtype=np.int64)
        if len(fresh) < max(SMALLEST, SMALLEST_SHARE * produced) or len(fresh) < len(excess.members) / 2:
            continue
        taken |= set(fresh.tolist())
        own = excess.windows[np.isin(windows.owner[excess.windows], fresh)]
        groups += [
            (space, part) for part in _kinds(replace(excess, members=fresh, windows=own), windows, seed)
        ]
    return groups


def _kinds(excess: Excess, windows: Windows, seed: int) -> list[Excess]:
    """Split a group where its windows plainly look different."""
    kinds = split_facets(windows.gradients[excess.windows], seed=seed)
    first: dict[int, int] = {}
    for row, kind in zip(excess.windows, kinds, strict=True):
        first.setdefault(int(windows.owner[row]), int(kind))
    parts = []
    for kind in range(int(kinds.max()) + 1):
        members = np.array(
            [member for member in excess.members if first[int(member)] == kind], dtype=np.int64
        )
        own = np.isin(windows.owner[excess.windows], members)
        share = len(members) / len(excess.members)
        parts.append(Excess(members, excess.windows[own], round(excess.trained * share), excess.p))
    return [part for part in parts if len(part.members) >= SMALLEST]


def _describe_gap(
    space: str,
    excess: Excess,
    described: NDArray[np.float32],
    windows: Windows,
    samples: Samples,
    rows: NDArray[np.int64],
) -> Gap:
    training, production = samples.of("training"), samples.of("production")
    share = len(excess.members) / production.sum()
    trained = np.flatnonzero(training[windows.owner])
    search = NearestNeighbors(n_neighbors=1).fit(described[trained])
    shown = excess.windows[:_SHOWN]
    nearest = trained[search.kneighbors(described[shown])[1][:, 0]]
    missing = excess.trained / training.sum() < _MISSING * share
    return Gap(
        members=excess.members,
        windows=rows[excess.windows],
        nearest=rows[nearest],
        space=space,
        kind="uncovered_group" if missing else "under_represented",
        share=float(share),
        trained=excess.trained,
        p=excess.p,
        explained_by=_explanations(excess.members, samples),
    )


def _explanations(members: NDArray[np.int64], samples: Samples) -> dict[str, str]:
    """Name the metadata values that go with membership inside production."""
    production = np.flatnonzero(samples.of("production"))
    present = np.isin(production, members)
    found = {}
    for column, values in samples.metadata.items():
        names, groups = np.unique(values[production], return_inverse=True)
        signal = conditional_association(
            present,
            groups.astype(np.int64),
            np.zeros(len(production), dtype=np.int64),
            np.random.default_rng(0),
        )
        if signal and signal.value >= 0.3 and signal.p is not None and signal.p <= 0.01:
            found[column] = str(names[np.argmax(np.bincount(groups[present], minlength=len(names)))])
    return found
