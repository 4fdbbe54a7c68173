"""What every facet of a library is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.appearance import COMPARED
from foveal_audit.settings import AuditSettings
from foveal_audit.units.appearance import shifted_correlation
from foveal_audit.windows import Evidence, Samples, Windows

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Surroundings:
    """What a facet is held against.

    Attributes
    ----------
    samples
        All samples of the library.
    training
        Mask of the samples that are used to judge: those of the training source.
    pool_centres, pool_match
        Of the windows of all facets, from training samples: where they lie, and how a choice of them match.
    taken
        Per sample position every window found in it.
    pairs
        Edited samples per causal test.
    windows
        The contribution windows of all training samples; each speaks for its sample's predicted class. None
        where signals that hold a facet against other windows are not to be asked.
    rois
        Per sample name where the outcome lies, int64 (k, 2 axes), starts and ends; None where nobody said.
    kept
        What was made :meth:`once`.
    """

    samples: Samples
    training: NDArray[np.bool_]
    pool_centres: NDArray[np.float64]
    pool_match: NDArray[np.float32]
    taken: dict[int, tuple[tuple[int, ...], ...]]
    pairs: int
    windows: Windows | None = None
    rois: Mapping[str, NDArray[np.int64]] | None = None
    kept: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: str, make: Callable[[], _Kept]) -> _Kept:
        """Give what is the same for all facets, made when the first one needs it."""
        if name not in self.kept:
            self.kept[name] = make()
        return cast("_Kept", self.kept[name])


def surroundings(
    evidence: Evidence, settings: AuditSettings, rois: Mapping[str, NDArray[np.int64]] | None = None
) -> Surroundings:
    """Gather what every facet is held against.

    Parameters
    ----------
    evidence
        What the library holds; of its windows those of contributions count.
    settings
        Seed and pairs.
    rois
        Per sample name where the outcome lies, as :func:`foveal_audit.rois.read_rois` gives it.
    """
    samples, windows = evidence.samples, evidence.contribution
    training = samples.of("training")
    pool = np.flatnonzero(training[windows.owner])
    rng = np.random.default_rng(settings.seed)
    rows = rng.choice(len(pool), min(4 * COMPARED, len(pool)), replace=False)
    return Surroundings(
        samples,
        training,
        windows.centres(samples)[pool],
        shifted_correlation(np.asarray(windows.detail[pool[rows]])),
        _taken(windows),
        settings.pairs,
        windows.take(pool),
        rois,
    )


def _taken(windows: Windows) -> dict[int, tuple[tuple[int, ...], ...]]:
    taken: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for owner, box in zip(windows.owner.tolist(), windows.boxes.tolist(), strict=True):
        taken[owner].append(tuple(box))
    return {owner: tuple(boxes) for owner, boxes in taken.items()}
