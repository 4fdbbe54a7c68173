"""Figures of the benchmark and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, rankdata
from sklearn.metrics import average_precision_score

_BINS, _REPEATS = 10, 1000

#: Scores of the positives and of the negatives of one model.
Scores = tuple[Sequence[float], Sequence[float]]


def pooled(models: Sequence[Scores]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Put the scores of all models together, with 1 for positives and 0 for negatives."""
    positives = [score for own, _ in models for score in own]
    negatives = [score for _, own in models for score in own]
    truth = np.repeat([1, 0], [len(positives), len(negatives)])
    return np.array([*positives, *negatives], dtype=np.float64), truth


def auroc(models: Sequence[Scores]) -> float | None:
    """Area under the ROC curve over all models; None without positives or without negatives."""
    scores, truth = pooled(models)
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    if not positives or not negatives:
        return None
    # By ranks (Mann and Whitney 1947): thousands of draws of it cost next to nothing.
    above = rankdata(scores)[truth == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def average_precision(models: Sequence[Scores]) -> float | None:
    """Average precision over all models; None without positives."""
    scores, truth = pooled(models)
    return float(average_precision_score(truth, scores)) if truth.any() else None


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); everything where there were no trials."""
    if not trials:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def brier(chances: ArrayLike, truth: ArrayLike) -> float:
    """Mean squared distance of stated chances from the truth, 0 to 1 (Brier 1950)."""
    return float(np.mean((np.asarray(chances) - np.asarray(truth)) ** 2))


def calibration_error(chances: ArrayLike, truth: ArrayLike) -> float:
    """Give the expected calibration error in ten bins, 0 to 1 (Guo et al. 2017)."""
    stated, true = np.asarray(chances, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    bins = np.minimum((stated * _BINS).astype(np.int64), _BINS - 1)
    own = [bins == number for number in range(_BINS) if (bins == number).any()]
    return float(sum(rows.mean() * abs(stated[rows].mean() - true[rows].mean()) for rows in own))


def paired_bootstrap(
    ours: Sequence[Scores],
    theirs: Sequence[Scores],
    seed: int,
    figure: Callable[[Sequence[Scores]], float | None] = auroc,
) -> tuple[float, float, float, float] | None:
    """Compare two detectors on the same models, drawing models again with replacement.

    Returns
    -------
    The difference (ours - theirs), its 95 % interval, and the share of the draws in which it is not positive;
    None where the figure does not exist.
    """
    here, there = figure(ours), figure(theirs)
    if here is None or there is None:
        return None
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_REPEATS):
        rows = rng.integers(0, len(ours), len(ours))
        pair = figure([ours[row] for row in rows]), figure([theirs[row] for row in rows])
        if pair[0] is not None and pair[1] is not None:
            found.append(pair[0] - pair[1])
    low, high = np.quantile(found, (0.025, 0.975))
    return here - there, float(low), float(high), float(np.mean(np.array(found) <= 0))
