"""The rule from measured numbers to a verdict: pure, so that a verdict can be derived again from its record.

Thresholds are fixed here, before any run; they come from planted studies and are written into every bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from foveal_audit.judgement.fusion import share

Verdict = Literal["confirmed", "suspected", "genuine", "not_relied_on", "undecidable"]


@dataclass(frozen=True)
class Thresholds:
    """What counts as relied on, as irrelevant and as proven.

    Attributes
    ----------
    relied
        Smallest change of the class probability that is worth speaking of.
    margin
        Change of the class's logit, in standard deviations, that is worth as much as ``relied``.
    doubtful, irrelevant
        Irrelevance from which on nobody can say that a facet that is relied on is genuine, and from which on
        it is an artefact.
    confirmed_irrelevance, mediated
        What a confirmed artefact needs beyond that.
    full_reliance
        Effect from which on the ranking score is no longer held back.
    fdr
        Share of false discoveries allowed among the facets flagged.
    fewest
        Fewer entries than this decide nothing.
    confounded
        Association of a metadata column with the outcome above which the two cannot be told apart.
    """

    relied: float = 0.05
    margin: float = 0.5
    doubtful: float = 0.50
    irrelevant: float = 0.80
    confirmed_irrelevance: float = 0.90
    mediated: float = 0.10
    full_reliance: float = 0.10
    fdr: float = 0.05
    fewest: int = 20
    confounded: float = 0.90


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Measured:
    """The numbers a verdict rests on.

    Attributes
    ----------
    removal, removal_low, paste, paste_low, mediation
        Estimates and lower ends of the 95 % intervals; None where a test could not be run.
    removal_margin, paste_margin
        The same of the logit, in standard deviations; 0 where chance does as much.
    log_odds
        That the facet is irrelevant, see :mod:`foveal_audit.judgement.irrelevance`.
    lock, stamp
        Fixed in place, and copies of each other, 0 to 1.
    association
        Dependence of the facet's presence on a metadata column given the outcome, 0 to 1; 0 where none.
    confounded
        Dependence on a column that coincides with the outcome, so that it cannot be taken given it.
    q
        False-discovery-adjusted p-value of "relied on and irrelevant".
    """

    removal: float | None
    removal_low: float | None
    paste: float | None
    paste_low: float | None
    mediation: float | None
    removal_margin: float
    paste_margin: float
    log_odds: float
    lock: float
    stamp: float
    association: float
    confounded: float
    q: float | None


def _positive(estimate: float | None, low: float | None) -> float:
    """Take an effect for what its interval allows: nothing where it may be nothing."""
    return max(0.0, estimate) if estimate is not None and low is not None and low > 0 else 0.0


def _moved(probability: float, margin: float, limits: Thresholds) -> float:
    """Take the larger of the effects on the probability and on the logit, which saturation does not hide."""
    return min(1.0, max(probability, margin / limits.margin * limits.relied))


def necessity(measured: Measured, limits: Thresholds = THRESHOLDS) -> float:
    """Necessity, 0 to 1: what taking the facet out costs."""
    removal = _positive(measured.removal, measured.removal_low)
    return _moved(removal, measured.removal_margin, limits)


def transfer(measured: Measured, limits: Thresholds = THRESHOLDS) -> float:
    """Transfer, 0 to 1: what the facet alone does to samples that it does not belong to."""
    return _moved(_positive(measured.paste, measured.paste_low), measured.paste_margin, limits)


def reliance(measured: Measured, limits: Thresholds = THRESHOLDS) -> float:
    """Reliance, 0 to 1: the larger of what taking the facet out costs and what pasting it in brings."""
    return max(necessity(measured, limits), transfer(measured, limits))


def irrelevance(measured: Measured) -> float:
    """Irrelevance, 0 to 1: the chance that a facet with such signs has nothing to do with the outcome."""
    return share(measured.log_odds)


def artefact_score(measured: Measured, limits: Thresholds = THRESHOLDS) -> float:
    """Ranking score, 0 to 1: irrelevance, held back where the facet alone moves the model little.

    The causal effect is a gate and not a factor: genuine features matter more than artefacts.
    """
    return irrelevance(measured) * min(1.0, transfer(measured, limits) / limits.full_reliance)


def decide(measured: Measured, limits: Thresholds = THRESHOLDS) -> Verdict:
    """Derive the verdict."""
    for holds, verdict in _RULES:
        if holds(measured, limits):
            return verdict
    return "genuine"


def _untested(m: Measured, _: Thresholds) -> bool:
    return m.removal is None and m.paste is None


def _is_flagged(m: Measured, t: Thresholds) -> bool:
    sure = m.q is not None and m.q <= t.fdr
    return sure and irrelevance(m) >= t.irrelevant and transfer(m, t) >= t.relied


def _is_proven(m: Measured, t: Thresholds) -> bool:
    necessary = necessity(m, t) >= t.relied
    mediated = m.mediation is not None and m.mediation >= t.mediated
    return _is_flagged(m, t) and irrelevance(m) >= t.confirmed_irrelevance and necessary and mediated


def _is_idle(m: Measured, t: Thresholds) -> bool:
    return reliance(m, t) < t.relied


def _is_open(m: Measured, t: Thresholds) -> bool:
    """Relied on, and either perhaps irrelevant or tied to what coincides with the outcome."""
    return irrelevance(m) >= t.doubtful or m.confounded > 0


_RULES: tuple[tuple[Callable[[Measured, Thresholds], bool], Verdict], ...] = (
    (_untested, "undecidable"),
    (_is_proven, "confirmed"),
    (_is_flagged, "suspected"),
    (_is_idle, "not_relied_on"),
    (_is_open, "undecidable"),
)


def as_record(limits: Thresholds = THRESHOLDS) -> Mapping[str, float]:
    """Give the thresholds as they are written into a bundle."""
    return asdict(limits)
