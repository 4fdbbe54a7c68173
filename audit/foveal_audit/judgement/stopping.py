"""When a causal test may stop: at a few fixed looks, as soon as an effect or its absence is clear.

Two things are kept apart. *Whether to stop* is decided by e-values over pairs that share no sample with an
earlier one, which may be looked at any time. *What is reported* is a repeated interval (Jennison and Turnbull
1989): each look may spend its own share of the 5 % error alone, so that all intervals of all looks hold
together and the one at the end holds whatever made the test stop; its p-value likewise. The shares grow with
the square of the pairs (power family, Kim and DeMets 1987), which leaves the last look nearly what it would
have alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.betting import evidence_above, evidence_below
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.verdict import THRESHOLDS

#: Pairs of the first look; every further one doubles them.
FIRST = 32
#: An e-value that chance reaches at most once in twenty facets, and a p-value that passes the control of
#: false discoveries over some tens of facets: an effect needs both before one stops looking.
SURE, DISCOVERED = 20.0, 1e-4
#: An e-value against an effect worth speaking of. Stopping for want of one makes no false discovery, so that
#: missing one in ten at most, were it there, is enough.
FUTILE = 10.0


@dataclass(frozen=True)
class Look:
    """One look: after how many pairs, and which share of the error it may spend, 0 to 1."""

    pairs: int
    share: float


def looks(pairs: int, first: int = FIRST) -> list[Look]:
    """Lay the looks of a test of so many pairs at most: 32, 64, ..., the last two not close together."""
    ends = [first * 2**step for step in range(32) if first * 2**step <= 0.7 * pairs] + [pairs]
    shares = np.diff([(end / pairs) ** 2 for end in (0, *ends)])
    return [Look(end, float(share)) for end, share in zip(ends, shares, strict=True)]


def is_sure(effect: Effect, independent: NDArray[np.float64]) -> bool:
    """Say whether there is an effect beyond doubt.

    Parameters
    ----------
    effect
        What would be reported.
    independent
        float64 (n,), change by the facet less change by its control, -1 to 1, of the pairs that share no
        sample with an earlier one.
    """
    return effect.p <= DISCOVERED and evidence_above(independent) >= SURE


def is_futile(independent: NDArray[np.float64]) -> bool:
    """Say whether an effect worth speaking of is unlikely; takes what :func:`is_sure` takes."""
    return evidence_below(independent, THRESHOLDS.relied, boldly=True) >= FUTILE


def run_until(settles: Callable[[int, Look], bool], pairs: int) -> Look:
    """Go from look to look until one settles the matter.

    Parameters
    ----------
    settles
        Takes how many pairs were asked about before, and the look; says whether all up to there settle it.
    pairs
        Where to stop at last.

    Returns
    -------
    The look at which it stopped.
    """
    begun = 0
    for look in looks(pairs):
        if settles(begun, look) or look.pairs == pairs:
            break
        begun = look.pairs
    return look
