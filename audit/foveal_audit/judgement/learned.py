"""Whether a network has learned anything: what moves the answers of one that has not is no reliance."""

from __future__ import annotations

import numpy as np
from scipy.stats.contingency import association

from foveal_audit.windows import Samples

#: Cramer's V of answers and labels below which a network might as well guess.
_GUESSING = 0.2


def has_learned(samples: Samples) -> bool:
    """Say whether the model's answers go with the labels of training; true where those are not known.

    Names of labels need not be those of the classes: Cramer's V of the two is asked for, 0 to 1.
    """
    training = samples.of("training")
    labels, answers = samples.labels[training], samples.predicted[training]
    if not len(labels) or (labels == "").any() or len(np.unique(labels)) < 2:
        return True
    if len(np.unique(answers)) < 2:
        return False
    table = np.zeros((len(np.unique(labels)), len(np.unique(answers))), dtype=np.int64)
    np.add.at(table, tuple(np.unique(each, return_inverse=True)[1] for each in (labels, answers)), 1)
    return bool(association(table, method="cramer") >= _GUESSING)
