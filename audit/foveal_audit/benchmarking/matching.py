"""What a facet really shows, and which of the planted gaps a group is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from foveal_audit.benchmarking.answers import Facet
from foveal_audit.benchmarking.truths import Extent, Factor, Sample, Truth

#: A window shows a factor when their boxes share this part of the smaller one.
_OVERLAP = 0.25
#: A factor whose box spans more than this part of the picture is everywhere rather than somewhere: a window
#: shows it where it is at least this much as dense as it is over the whole picture.
_WIDE, _DENSE = 0.5, 0.5
#: A facet is a factor's when this part of its entries show it.
_SHARE = 0.5
#: Groups are the same from this intersection over union on, and a group belongs to a gap from this purity on.
_SAME, _PURE = 0.5, 0.5

Kind = Literal["artefact", "mixed", "inert", "genuine", "idle", "other"]


@dataclass(frozen=True)
class Fit:
    """How well a facet fits a factor.

    Attributes
    ----------
    share
        Part of the facet's entries that show the factor.
    needed
        From which share on the facet is the factor's.
    wide
        Whether the factor is everywhere rather than somewhere.
    """

    factor: Factor
    share: float
    needed: float
    wide: bool = False

    @property
    def holds(self) -> bool:
        """Whether the facet is the factor's."""
        return self.share >= self.needed


@dataclass(frozen=True)
class Shown:
    """What a facet shows.

    Attributes
    ----------
    kind
        ``artefact``: relied on wrongly; ``mixed``: that, everywhere, behind what is relied on rightly;
        ``inert``: a mark that is not relied on; ``genuine``: relied on rightly; ``idle``: a part of the task
        that is not relied on; ``other``: nothing that is known.
    factor
        Its factor, or None.
    alone
        Whether it shows no other factor.
    """

    kind: Kind
    factor: Factor | None = None
    alone: bool = True


def what_shows(facet: Facet, truth: Truth) -> Shown:
    """Find the factor a facet shows: artefacts come first, then what is relied on, then the largest share."""
    own = [fit for fit in (fit_of(facet, factor, truth) for factor in truth.factors) if fit.holds]
    if not own:
        return Shown("other")
    best = max(own, key=lambda fit: (fit.factor.is_artefact, fit.factor.relied, fit.share))
    return Shown(_kind_of(best, own), best.factor, alone=len(own) == 1)


def _kind_of(best: Fit, own: Sequence[Fit]) -> Kind:
    if not best.factor.is_artefact:
        return "genuine" if best.factor.relied else "idle"
    if not best.factor.relied:
        return "inert"
    behind = best.wide and any(fit.factor.relied and not fit.factor.is_artefact for fit in own)
    return "mixed" if behind else "artefact"


def fit_of(facet: Facet, factor: Factor, truth: Truth) -> Fit:
    """Say how well a facet fits a factor.

    Half of the entries are enough for a factor that lies somewhere. One that is everywhere must be shown by
    half as many again of those that would show it anyway, being of the facet's classes.
    """
    name = factor.name
    known = [(truth.samples[sample], window) for sample, window in facet.entries if sample in truth.samples]
    if not known:
        return Fit(factor, 0.0, 1.0)
    share = float(np.mean([_shows(one, window, name) for one, window in known]))
    if not any(is_wide(one.extents[name]) for one, _ in known if name in one.extents):
        return Fit(factor, share, _SHARE)
    usual = float(np.mean([truth.prevalence(name, one.outcome) for one, _ in known]))
    return Fit(factor, share, max(_SHARE, usual + (1 - usual) / 2), wide=True)


def _area(box: Sequence[int]) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def is_wide(extent: Extent) -> bool:
    """Say whether a factor's box spans most of the picture."""
    return _area(extent.box) > _WIDE * extent.mask.size


def _shows(sample: Sample, window: tuple[int, ...], factor: str) -> bool:
    extent = sample.extents.get(factor)
    if extent is None:
        return False
    y0, x0, y1, x1 = window
    if is_wide(extent):
        return bool(extent.mask[y0:y1, x0:x1].mean() >= _DENSE * extent.mask.mean())
    top, left, bottom, right = extent.box
    shared = _area((max(top, y0), max(left, x0), min(bottom, y1), min(right, x1)))
    return shared >= _OVERLAP * min(_area(extent.box), _area(window))


@dataclass(frozen=True)
class Matched:
    """How the groups that were found go with the gaps that were planted.

    Attributes
    ----------
    overlaps
        Per planted gap the intersection over union of the group that was paired with it, 0 where none was.
    false
        Number of groups of which less than half belongs to any one gap.
    """

    overlaps: tuple[float, ...]
    false: int

    @property
    def found(self) -> tuple[bool, ...]:
        """Per planted gap whether it was found."""
        return tuple(overlap >= _SAME for overlap in self.overlaps)


def match_groups(groups: Sequence[frozenset[str]], gaps: Sequence[frozenset[str]]) -> Matched:
    """Pair groups with gaps so that the overlap is largest in all (Kuhn 1955)."""
    table = np.array([[_union_share(group, gap) for gap in gaps] for group in groups], dtype=np.float64)
    overlaps = np.zeros(len(gaps))
    if table.size:
        for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True):
            overlaps[column] = table[row, column]
    false = sum(1 for group in groups if all(len(group & gap) < _PURE * len(group) for gap in gaps))
    return Matched(tuple(float(overlap) for overlap in overlaps), false)


def _union_share(group: frozenset[str], gap: frozenset[str]) -> float:
    return len(group & gap) / max(len(group | gap), 1)
