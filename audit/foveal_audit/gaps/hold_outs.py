"""Whether an excess is more than chance: the same search among hold-outs of training, family-wise.

A hold-out is as large as production and as foreign as training is to itself. It is searched in every space
and with every classifier as production is, and its strongest find counts: a group is significant where
hardly any hold-out holds a find as strong anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal_audit.gaps.counting import SMALLEST

#: Hold-outs behind every p-value, and how many are worked out at a time.
HOLD_OUTS = 399
_AT_A_TIME = 50

Scores = NDArray[np.float64]


def strongest_find(foreign: NDArray[np.bool_]) -> Scores:
    """Say how strong the strongest excess among the first of an order is.

    Parameters
    ----------
    foreign
        bool (draws, n), which samples count as production, the most foreign first.

    Returns
    -------
    float64 (draws,), 0 or more: the largest log-likelihood ratio, over all beginnings of the order with at
    least five samples of production, of two rates against one (Berk and Jones 1979).
    """
    above = np.cumsum(foreign, axis=1, dtype=np.float64)
    rest = np.arange(1, foreign.shape[1] + 1) - above
    produced, trained = above[:, -1:], rest[:, -1:]
    usual = (above + rest) / (produced + trained)
    ratio = _divergence(above, produced, usual) + _divergence(rest, trained, usual)
    excessive = (above * trained > rest * produced) & (above >= SMALLEST)
    return np.asarray(np.where(excessive, ratio, 0.0).max(axis=1, initial=0.0))


def _divergence(some: Scores, all_: Scores, usual: Scores) -> Scores:
    """Give all x KL(some / all || usual)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(some > 0, some * np.log(some / (all_ * usual)), 0.0)
        missed = all_ - some
        miss = np.where(missed > 0, missed * np.log(missed / (all_ * (1 - usual))), 0.0)
    return np.asarray(hit + miss)


def strength(produced: Scores, trained: Scores) -> float:
    """Say how strong the strongest excess of production over training is; training first at equal scores."""
    scores = np.concatenate([trained, produced])
    foreign = np.arange(len(scores)) >= len(trained)
    order = np.argsort(-scores, kind="stable")
    return float(strongest_find(foreign[order][None])[0])


def hold_out_strengths(trained: Sequence[Scores], size: int, rng: np.random.Generator) -> Scores:
    """Search hold-outs of training as production is searched.

    Parameters
    ----------
    trained
        Per space and classifier the scores of all training samples, in the same order of samples.
    size
        Number of production samples; a hold-out has as many, or half of training.
    rng
        Draws the hold-outs: the same ones for every space and classifier.

    Returns
    -------
    float64 (hold-outs,): the strongest find of each.
    """
    number = len(trained[0])
    orders = [np.argsort(-scores, kind="stable") for scores in trained]
    found = []
    for start in range(0, HOLD_OUTS, _AT_A_TIME):
        draws = min(_AT_A_TIME, HOLD_OUTS - start)
        ranks = rng.random((draws, number)).argsort(axis=1)
        held = ranks < min(size, number // 2)
        found.append(np.max([strongest_find(held[:, order]) for order in orders], axis=0))
    return np.concatenate(found)


def family_wise_p(found: float, hold_outs: Scores) -> float:
    """Say how often the strongest find of a hold-out is as strong: (1 + count) / (1 + hold-outs)."""
    return float((1 + np.count_nonzero(hold_outs >= found)) / (1 + len(hold_outs)))
