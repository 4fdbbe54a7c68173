"""How a method that sorts whole samples shows what it found: as windows, which the benchmark scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal_audit.benchmarking.opponent import Foreign, Group
from foveal_audit.opponents.seen import Seen, look
from foveal_audit.ragged import RaggedBytes, RaggedMaps
from foveal_audit.windows import Evidence, Windows, whole_boxes

#: Positions of a group's samples in the library, and how surely they show an artefact.
Found = tuple[NDArray[np.int64], float]
#: From what is seen and a seed to groups of samples.
Finder = Callable[[Seen, int], Sequence[Found]]
#: From the library and positions of samples to windows.
Show = Callable[[Evidence, NDArray[np.int64]], Windows]


def whole(evidence: Evidence, rows: NDArray[np.int64]) -> Windows:
    """Give the whole picture of every sample as a window without a crop."""
    samples = evidence.samples
    blank = np.zeros((len(rows), 2), dtype=np.int64)
    return Windows(
        ids=samples.names[rows],
        owner=np.asarray(rows, dtype=np.int64),
        boxes=whole_boxes(samples, rows),
        activation=np.ones(len(rows)),
        share=np.ones(len(rows)),
        crops=RaggedBytes(np.zeros(0, np.uint8), blank),
        maps=RaggedMaps(np.zeros(0, np.float32), blank, blank),
        vectors=np.zeros((len(rows), 0), np.float32),
        layer=evidence.contribution.layer,
    )


def strongest(evidence: Evidence, rows: NDArray[np.int64]) -> Windows:
    """Give of every sample the contribution window that holds most of its evidence."""
    windows = evidence.contribution
    order = np.argsort(-windows.share, kind="stable")
    first = order[np.unique(windows.owner[order], return_index=True)[1]]
    return windows.take(first[np.isin(windows.owner[first], rows)])


@dataclass(frozen=True)
class SampleOpponent:
    """A method that groups training samples.

    Attributes
    ----------
    find
        The method.
    show
        How its groups become windows.
    """

    name: str
    find: Finder
    show: Show = whole

    def artefacts(self, evidence: Evidence, model: AuditedModel, seed: int) -> Sequence[Group]:
        """Group the training samples, and score each group."""
        shown = [(self.show(evidence, rows), score) for rows, score in self.find(look(evidence, model), seed)]
        return [Group(windows, score) for windows, score in shown if len(windows)]

    def gaps(self, evidence: Evidence, model: AuditedModel, seed: int) -> Foreign | None:  # noqa: ARG002
        """Look for none."""
        return None
