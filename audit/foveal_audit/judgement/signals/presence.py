"""In which pictures a facet shows, and what the model makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from foveal_audit.judgement.signals.nulls import FEWEST, Signal, those
from foveal_audit.judgement.signals.question import Question


def prevalence(asked: Question) -> Signal | None:
    """Share of the pictures given the class that show the facet, 0 to 1; lower speaks for an artefact."""
    if not asked.of_class.any():
        return None
    return Signal(float(asked.present[asked.of_class].mean()), None)


def purity(asked: Question) -> Signal | None:
    """Share of the pictures with the facet that were given its class, 0 to 1."""
    shown = asked.present & asked.around.training
    return Signal(float(asked.of_class[shown].mean()), None) if shown.any() else None


def evidence_elsewhere(asked: Question) -> Signal | None:
    """Share of the positive evidence found in windows of the facet's pictures that others hold, 0 to 1.

    Higher speaks for an artefact: the class is spoken for without it.
    """
    size = len(asked.around.samples)
    if asked.around.windows is None:
        return None
    own = np.bincount(asked.windows.owner, weights=asked.windows.share, minlength=size)
    other = np.bincount(asked.others.owner, weights=asked.others.share, minlength=size)
    shown = asked.present & (own > 0)
    if shown.sum() < FEWEST:
        return None
    return Signal(float((other[shown] / (own + other)[shown]).mean()), None)


def false_positive_lift(asked: Question) -> Signal | None:
    """How much oftener pictures of other classes are given the facet's class when they show it, -1 to 1.

    Needs labels; production counts as well, as errors are rare in training. Higher speaks for an artefact.
    The p-value is Fisher's exact one.
    """
    wrong = _labelled(asked) & ~_truly(asked)
    return _lift(asked.present_anywhere[wrong], _given(asked)[wrong])


def accuracy_loss(asked: Question) -> Signal | None:
    """How much less often pictures *given* the class are right when they show the facet, -1 to 1.

    As :func:`false_positive_lift`: what the facet calls for is wrong.
    """
    given = _labelled(asked) & _given(asked)
    return _lift(asked.present_anywhere[given], ~_truly(asked)[given])


def recall_gain(asked: Question) -> Signal | None:
    """How much oftener pictures *of* the class are given it when they show the facet, -1 to 1.

    As :func:`false_positive_lift`: the class is missed where the facet is missing.
    """
    true = _labelled(asked) & _truly(asked)
    return _lift(asked.present_anywhere[true], _given(asked)[true])


def _lift(present: NDArray[np.bool_], event: NDArray[np.bool_]) -> Signal | None:
    """Subtract how often something happens without the facet from how often it happens with it."""
    if min(present.sum(), (~present).sum()) < FEWEST:
        return None
    with_it, without = event[present], event[~present]
    table = [[with_it.sum(), (~with_it).sum()], [without.sum(), (~without).sum()]]
    p = float(fisher_exact(table, alternative="greater").pvalue)
    return Signal(float(with_it.mean() - without.mean()), float(np.clip(p, 1e-12, 1)))


def _labelled(asked: Question) -> NDArray[np.bool_]:
    return np.asarray(asked.around.samples.labels != "")


def _given(asked: Question) -> NDArray[np.bool_]:
    return np.asarray(asked.around.samples.predicted == asked.outcome)


def _truly(asked: Question) -> NDArray[np.bool_]:
    """Mark the samples whose label is the one that most pictures given the class have."""
    labels = asked.around.samples.labels
    own = labels[asked.of_class & (labels != "")]
    names, counts = np.unique(own, return_counts=True)
    return np.asarray(labels == names[counts.argmax()]) if len(names) else np.zeros(len(labels), dtype=bool)


def shown(asked: Question) -> dict[str, Signal]:
    """Measure in which pictures the facet shows and what becomes of them; see the functions of each."""
    return those(
        prevalence=prevalence(asked),
        purity=purity(asked),
        evidence_elsewhere=evidence_elsewhere(asked),
        false_positive_lift=false_positive_lift(asked),
        accuracy_loss=accuracy_loss(asked),
        recall_gain=recall_gain(asked),
    )
