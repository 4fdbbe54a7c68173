"""Groups of production samples of a kind that training hardly holds.

A classifier learns to tell production windows from training windows, cross-fitted so that it never scores
what it has learned from. Where both come from the same source its scores say nothing. Where they do not, the
highest scores belong to production alone: that excess, and not any single odd sample, is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

_FOLDS = 5
#: Part of a group that must be in excess of what training would have there.
PURITY = 0.9
#: Smallest group: this many samples, or this share of production.
SMALLEST, SMALLEST_SHARE = 5, 0.005
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Excess:
    """A group of production samples.

    Attributes
    ----------
    members
        Positions of the samples.
    windows
        Positions of the windows that make them members, the most foreign first.
    trained
        Number of training samples that look alike.
    p
        Of such an excess where production is like training.
    """

    members: NDArray[np.int64]
    windows: NDArray[np.int64]
    trained: int
    p: float


def foreign_scores(
    described: NDArray[np.float32], owner: NDArray[np.int64], foreign: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Score every window by how surely it comes from production, never with a model that saw its sample.

    Parameters
    ----------
    described
        float32 (n, D).
    owner, foreign
        Sample of each window, and whether that is a production sample.
    seed
        Source of chance.
    """
    scores = np.zeros(len(described))
    shuffled = np.random.default_rng(seed).permutation(int(owner.max()) + 1)[owner]
    folds = GroupKFold(min(_FOLDS, len(np.unique(owner)))).split(described, foreign, shuffled)
    for learned, held in folds:
        # Without class weights: only the order of the scores counts, and weighted binning is 30 times slower.
        model = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, early_stopping=False, random_state=seed
        )
        scores[held] = model.fit(described[learned], foreign[learned]).predict_proba(described[held])[:, 1]
    return scores


def find_excess(
    scores: NDArray[np.float64],
    owner: NDArray[np.int64],
    training: NDArray[np.bool_],
    production: NDArray[np.bool_],
) -> Excess | None:
    """Find the production samples whose scores training does not reach.

    The threshold is chosen on one half of the samples and tested on the other, both ways round, so that the
    choice cannot make its own significance.

    Parameters
    ----------
    scores, owner
        Score and sample of each window.
    training, production
        Masks over samples.
    """
    highest = np.full(len(training), -np.inf)
    np.maximum.at(highest, owner, scores)
    halves = np.arange(len(training)) % 2 == 0
    p_values = []
    for half in (halves, ~halves):
        threshold = _threshold(highest[training & half], highest[production & half])
        if threshold is not None:
            p_values.append(_tested(highest[training & ~half], highest[production & ~half], threshold))
    threshold = _threshold(highest[training], highest[production])
    if threshold is None or len(p_values) < 2:
        return None
    members = np.flatnonzero(production & (highest >= threshold))
    windows = np.flatnonzero(production[owner] & (scores >= threshold))
    trained = int((highest[training] >= threshold).sum())
    return Excess(members, windows[np.argsort(-scores[windows])], trained, max(p_values))


def _threshold(trained: NDArray[np.float64], produced: NDArray[np.float64]) -> float | None:
    """Choose the lowest score above which at least :data:`PURITY` of production is in excess."""
    levels = np.unique(produced[np.isfinite(produced)])
    counted = len(produced) - np.searchsorted(np.sort(produced), levels)
    alike = len(trained) - np.searchsorted(np.sort(trained), levels)
    # Two standard errors more than counted: the lowest of many thresholds is the one that chance favours.
    expected = (alike + 2 * np.sqrt(alike) + 1) * len(produced) / max(len(trained), 1)
    enough = max(SMALLEST / 2, SMALLEST_SHARE * len(produced))
    good = (1 - expected / counted >= PURITY) & (counted >= enough)
    return float(levels[good].min()) if good.any() else None


def _tested(trained: NDArray[np.float64], produced: NDArray[np.float64], threshold: float) -> float:
    above = int((produced >= threshold).sum()), int((trained >= threshold).sum())
    table = [[above[0], len(produced) - above[0]], [above[1], len(trained) - above[1]]]
    return float(fisher_exact(table, alternative="greater").pvalue)
