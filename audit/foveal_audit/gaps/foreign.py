"""How surely a row comes from production: two kinds of classifier, never asked about what they learned from.

Where production and training come from the same source, the scores say nothing. What a harmless change does
to training counts as training, so that slight compression or another brightness is not what they learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier

from foveal_audit.gaps.spaces import Floats, Space

_FOLDS = 5
Scores = NDArray[np.float64]


def _trees(seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    # Boosted trees: groups that are bounded in several columns at once. Without class weights: only the order
    # of the scores counts, and weighted binning is 30 times slower.
    return HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=8,
        learning_rate=0.15,
        max_bins=64,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=seed,
    )


def _linear(_seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    # Shrunk discriminant (Ledoit and Wolf 2004): groups that differ a little in many columns at once.
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


LEARNERS: Mapping[str, Callable[[int], Any]] = {"trees": _trees, "linear": _linear}


def foreign_scores(
    space: Space, foreign: NDArray[np.bool_], families: NDArray[np.int64], learner: str, seed: int
) -> tuple[Scores, Scores]:
    """Score every row and every harmlessly changed copy by how surely it comes from production.

    Parameters
    ----------
    space
        The description.
    foreign
        bool (samples,), which samples are of production.
    families
        int64 (samples,), samples of one family are never apart in learning and scoring.
    learner
        A name of :data:`LEARNERS`.
    seed
        Source of chance.

    Returns
    -------
    float64 (n,) and (m,): higher = rather production; only the order counts.
    """
    fold = _folds(families, seed)
    rows, copies = fold[space.owner], fold[space.copied]
    scores, copied = np.zeros(len(space.values)), np.zeros(len(space.copies))
    known = foreign[space.owner]
    for held in range(_FOLDS):
        apart, copies_apart = rows != held, copies != held
        learned: Floats = np.concatenate([space.values[apart], space.copies[copies_apart]])
        told = np.concatenate([known[apart], np.zeros(int(copies_apart.sum()), dtype=bool)])
        if told.all() or not told.any():
            continue
        model = LEARNERS[learner](seed).fit(learned, told)
        for kept, of, into in ((~apart, space.values, scores), (~copies_apart, space.copies, copied)):
            if kept.any():
                into[kept] = model.predict_proba(of[kept])[:, 1]
    return scores, copied


def _folds(families: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Give every sample a fold, the same for all of a family."""
    number = int(families.max(initial=0)) + 1
    return np.asarray(np.random.default_rng(seed).permutation(number) % _FOLDS)[families]
