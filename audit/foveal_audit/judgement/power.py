"""What the causal tests would miss: the chance that an artefact of a given prevalence is not found.

Two things must happen for an artefact to be found: enough of its crops must come together in one facet, and
the paste test of that facet must exclude zero. Of n crops, K ~ Binomial(n, prevalence * recall) come
together, recall being the share of an artefact's crops that its largest facet gathers; less than the fewest
a facet may have decide nothing. The paste test is a t-test, whose power at an effect d with standard error s
is P(T > t) for the noncentral T with d / s (Student's t of the level; Lehmann and Romano 2005, chapter 5).

    missed = 1 - P(K >= fewest) * P(T > t)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, nct
from scipy.stats import t as student

from foveal_audit.judgement.pairs import TAIL, Effect
from foveal_audit.judgement.verdict import THRESHOLDS

#: Share of an artefact's samples that its largest facet gathers: the median over the ten artefacts with a
#: place that the networks of ``foveal bench`` rely on (quartiles .36 and .52), measured by
#: ``tests/benchmarks/facet_recall.py``. On another eight models it was .47 too (quartiles .42 and .59).
RECALL = 0.47
#: The chance of missing it at which an artefact counts as one that the audit is blind to.
BLIND = 0.4
#: Effects of which the smallest that is not missed that often, whatever its prevalence, is told.
EFFECTS = (THRESHOLDS.relied, 0.1, 0.2, 0.4)
#: Half an interval that is taken where no facet was tested: that of a typical test.
_USUAL_REACH, _USUAL_PAIRS = 0.05, 64
#: An interval narrower than this is taken for this: the noncentral t has no numbers for less.
_LEAST = 1e-3


def paste_power(reach: float, pairs: int, effect: float = THRESHOLDS.relied) -> float:
    """Give the chance that a paste test excludes zero.

    Parameters
    ----------
    reach
        Half of its interval, in probability; more than 0.
    pairs
        Its independent pairs, two or more.
    effect
        What there is to be found, in probability.
    """
    freedom = pairs - 1
    limit = float(student.isf(TAIL, freedom))
    return float(nct.sf(limit, freedom, effect * limit / reach))


def enough_crops(crops: int, prevalence: float, recall: float = RECALL) -> float:
    """Give the chance that a facet gets the fewest crops that decide anything."""
    return float(binom.sf(THRESHOLDS.fewest - 1, crops, prevalence * recall))


def chance_missed(
    crops: int,
    prevalence: float,
    *,
    reach: float = _USUAL_REACH,
    pairs: int = _USUAL_PAIRS,
    recall: float = RECALL,
    effect: float = THRESHOLDS.relied,
) -> float:
    """Give the chance that an artefact is missed, 0 to 1; see the module for the formula.

    Parameters
    ----------
    crops
        Crops, or samples where each shows an artefact once, of the training source.
    prevalence
        Share of them that show it, 0 to 1.
    reach, pairs, effect
        As in :func:`paste_power`.
    recall
        Share of its crops that one facet gathers.
    """
    return 1 - enough_crops(crops, prevalence, recall) * paste_power(reach, pairs, effect)


def blind_below(
    crops: int,
    chance: float = BLIND,
    *,
    reach: float = _USUAL_REACH,
    pairs: int = _USUAL_PAIRS,
    recall: float = RECALL,
    effect: float = THRESHOLDS.relied,
) -> float | None:
    """Give the prevalence at which an artefact is missed with a chance; below it the chance is higher.

    Returns
    -------
    Prevalence, 0 to 1; None where even one on every crop is missed that often.
    """

    def excess(prevalence: float) -> float:
        missed = chance_missed(crops, prevalence, reach=reach, pairs=pairs, recall=recall, effect=effect)
        return missed - chance

    if excess(1.0) >= 0:
        return None
    return float(brentq(excess, 0.0, 1.0, xtol=1e-6))


def shown_chance(low: float, high: float, pairs: int) -> float:
    """Give the chance with which a test with such an interval and so many pairs shows an effect of note."""
    return paste_power(max((high - low) / 2, _LEAST), max(2, pairs))


def power_sentence(crops: int, pastes: Sequence[Effect], recall: float = RECALL) -> str:
    """Say what would be missed.

    Parameters
    ----------
    crops
        Number of training samples that crops were taken of: an artefact shows once in each.
    pastes
        The paste effects that were measured: the median of their intervals is what a test can tell.
    recall
        Share of an artefact's crops that one facet gathers.
    """
    reach, pairs = _typical(pastes)
    blind = {one: blind_below(crops, reach=reach, pairs=pairs, recall=recall, effect=one) for one in EFFECTS}
    shown = next((one for one, prevalence in blind.items() if prevalence is not None), EFFECTS[-1])
    least = THRESHOLDS.relied
    lost = {
        one: f"{chance_missed(crops, 1.0, reach=reach, pairs=pairs, recall=recall, effect=one):.2f} or more"
        for one in (least, shown)
    }
    said = f"With crops of {crops} training samples an artefact that changes the probability by {shown:.2f} "
    if blind[shown] is None:
        return f"{said}would be missed with probability {lost[shown]}, whatever its prevalence"
    said += (
        f"and has a prevalence below {blind[shown]:.1%} would be missed with probability {BLIND:.1f} or more"
    )
    if shown == least:
        return said
    return f"{said}; one that changes it by {least:.2f}, whatever its prevalence, with {lost[least]}"


def _typical(pastes: Sequence[Effect]) -> tuple[float, int]:
    """Take the median half interval and number of pairs."""
    if not pastes:
        return _USUAL_REACH, _USUAL_PAIRS
    reach = float(np.median([(one.high - one.low) / 2 for one in pastes]))
    return max(reach, _LEAST), max(2, int(np.median([one.pairs for one in pastes])))
