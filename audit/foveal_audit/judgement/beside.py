"""What lies beside a facet: a mark in the same samples shows their class as well, and says nothing of it.

What is left of a sample without a facet speaks against the facet where it is the task's own object. Where it
is a mark, the object beside the mark would be taken for one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foveal_audit.bundle.schema import Assessment
from foveal_audit.judgement.facet import Judged
from foveal_audit.judgement.irrelevance import is_property
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.windows import Windows

#: Signals about what is left of a sample without the facet.
LEFT = frozenset({"salience_elsewhere", "recognised_without", "evidence_elsewhere"})
#: Samples of how many axes it is asked of. The weights of pictures were fitted, and their error rates
#: measured, without it.
ASKED = frozenset({1, 3})
#: From this share of its samples on a mark lies beside a facet.
_MOST = 0.5


def share_beside(one: Windows, other: Windows) -> float:
    """Give the share of a facet's samples that show another one, too, and nowhere where it lies itself."""
    order = np.argsort(other.owner, kind="stable")
    first = np.searchsorted(other.owner[order], one.owner, "left")
    number = np.searchsorted(other.owner[order], one.owner, "right") - first
    own = np.repeat(np.arange(len(one)), number)
    place = np.arange(len(own)) - np.repeat(np.cumsum(number) - number, number)
    theirs = order[np.repeat(first, number) + place]
    low = np.maximum(one.boxes[own, : one.axes], other.boxes[theirs, : one.axes])
    high = np.minimum(one.boxes[own, one.axes :], other.boxes[theirs, one.axes :])
    touching = np.unique(one.owner[own[(high > low).all(axis=1)]])
    both = np.intersect1d(one.owner, other.owner)
    return len(np.setdiff1d(both, touching)) / max(len(np.unique(one.owner)), 1)


def without_marks_beside(judged: Sequence[Judged], found: Sequence[Assessment]) -> list[Judged]:
    """Take from facets what was measured of the rest of their samples, where a mark lies there.

    Parameters
    ----------
    judged
        Facets as they were measured.
    found
        What they were assessed as, in the same order.

    Returns
    -------
    The same facets. Of those of whose samples at least half show, elsewhere, a facet that seems irrelevant
    and more so, whether or not the model relies on it, the signals of :data:`LEFT` are gone.
    """
    marks = [
        (one.facet.windows, told.irrelevance)
        for one, told in zip(judged, found, strict=True)
        if told.irrelevance >= THRESHOLDS.irrelevant and not is_property(one.signals)
    ]
    return [
        _without(one) if _is_marked(one, told.irrelevance, marks) else one
        for one, told in zip(judged, found, strict=True)
    ]


def _is_marked(one: Judged, irrelevance: float, marks: Sequence[tuple[Windows, float]]) -> bool:
    if is_property(one.signals):
        return False
    return any(
        theirs > irrelevance and share_beside(one.facet.windows, windows) >= _MOST
        for windows, theirs in marks
    )


def _without(one: Judged) -> Judged:
    return replace(one, signals={name: value for name, value in one.signals.items() if name not in LEFT})
