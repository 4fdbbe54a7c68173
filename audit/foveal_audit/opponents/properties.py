"""Property scores: how surely a plain property of the picture gives the class away.

Datalab's check of spurious correlations (Cleanlab, 2024): a Gaussian naive Bayes from one property to the
class. Its score is (1 - accuracy) / (1 - share of the largest class), flagged below 0.3. Re-implemented from
its description.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB

from foveal_audit.opponents.seen import Seen
from foveal_audit.opponents.showing import Found

_FOLDS = 5


def told_by(values: NDArray[np.float64], outcomes: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    """Tell the classes of held-out samples by one property (n,): the classes told, and how well, 1 at best.

    How well is 1 - the published score: 0 where the property says no more than the size of the classes.
    """
    spread = float(values.std())
    if spread < 1e-9:
        return np.full(len(values), -1), 0.0
    folds = StratifiedKFold(_FOLDS)
    told = cross_val_predict(GaussianNB(), (values / spread)[:, None], outcomes, cv=folds)
    usual = float(np.unique(outcomes, return_counts=True)[1].max() / len(outcomes))
    return np.asarray(told), 1 - float((told != outcomes).mean()) / max(1 - usual, 1e-12)


def find(seen: Seen, seed: int) -> Sequence[Found]:  # noqa: ARG001 - no chance in it
    """Give per property and class the samples whose class the property tells."""
    own = seen.of("training")
    outcomes = seen.samples.outcomes[seen.rows[own]]
    classes, sizes = np.unique(outcomes, return_counts=True)
    if len(classes) < 2 or sizes.min() < _FOLDS:
        return []
    found: list[Found] = []
    for values in seen.looks[own].T:
        told, score = told_by(values, outcomes)
        right = [own[(told == one) & (outcomes == one)] for one in classes]
        found += [(seen.rows[rows], score) for rows in right if len(rows)]
    return found
