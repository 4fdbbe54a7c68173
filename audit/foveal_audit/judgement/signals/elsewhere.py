"""What is left of a picture without the facet: whether something stands out there, and shows the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from foveal_audit.judgement.pictures import Pictures
from foveal_audit.judgement.signals.nulls import Signal, superiority, those
from foveal_audit.judgement.signals.objects import togetherness
from foveal_audit.judgement.signals.question import Question, extents

#: What is hidden around a window, as a share of the picture: the object seldom ends where its window does.
#: All of it has to go before something else can stand out; what it moves with may be its own rest.
_ALL, _MOST, _LITTLE = 0.18, 0.06, 0.03
#: Pictures of the class without the facet that a learner needs, and how well it must know the class to be
#: asked.
_TAUGHT, _KNOWS = 15, 0.65


def _own_masks(
    asked: Question, margin: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Give the pictures that show the facet, what it covers there, and the centre of its first window."""
    windows, pictures = asked.windows, asked.pictures
    places = pictures.places(windows.owner)
    seen = np.flatnonzero(places >= 0)
    masks = pictures.masks(extents(windows.take(seen), asked.around.samples), margin)
    shown, first = np.unique(places[seen], return_index=True)
    merged = np.zeros((len(shown), *pictures.cells_of), dtype=bool)
    np.logical_or.at(merged, np.searchsorted(shown, places[seen]), masks)
    return shown, merged, asked.centres[seen][first]


def _without(asked: Question, shown: NDArray[np.int64]) -> NDArray[np.int64]:
    absent = ~asked.present[asked.pictures.rows]
    absent[shown] = False
    return np.flatnonzero(absent)


def salience_elsewhere(asked: Question) -> Signal | None:
    """Whether something stands out beside the facet as in pictures without it where as much is hidden.

    Where the facet is the object, nothing is left that stands out. Higher speaks for an artefact; 0 to 1, .5
    = as in other pictures.
    """
    shown, masks, _ = _own_masks(asked, _ALL)
    absent = _without(asked, shown)
    if min(len(shown), len(absent)) < _TAUGHT:
        return None
    rng = asked.chance("salience_elsewhere")
    hosts, covers = rng.choice(absent, 300), masks[rng.integers(0, len(masks), 300)]
    salience = asked.pictures.salience
    return superiority(_peak(salience[shown], masks), _peak(salience[hosts], covers))


def _peak(salience: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(np.where(masks, 0, salience).reshape(len(salience), -1).max(axis=1), dtype=np.float64)


def moves_with_salience(asked: Question) -> Signal | None:
    """How far the facet moves with what stands out beside it; lower speaks for an artefact."""
    shown, masks, centres = _own_masks(asked, _LITTLE)
    if len(shown) < _TAUGHT:
        return None
    hidden = np.where(masks, 0, asked.pictures.salience[shown]).reshape(len(shown), -1)
    cells = asked.pictures.cells_of
    anchors = (np.stack(np.unravel_index(hidden.argmax(axis=1), cells), axis=1) + 0.5) / cells[0]
    return togetherness(centres, anchors, asked.chance("moves_with_salience"))


def recognised_without(asked: Question) -> Signal | None:
    """Whether a learner that never saw the facet still tells the class where the facet is hidden.

    A linear model of how often each kind of cell occurs learns the class from pictures without the facet. The
    value relates its AUROC on pictures with the facet, hidden, against other classes with as much hidden, to
    its cross-fitted AUROC on pictures without it: 1 = as well recognised, 0 = not at all. Higher speaks for
    an artefact. None where the class has too few pictures without the facet or the learner does not know it
    anyway.
    """
    pictures = asked.pictures
    shown, masks, _ = _own_masks(asked, _MOST)
    shown_class = asked.of_class[pictures.rows[shown]]
    shown, masks = shown[shown_class], masks[shown_class]
    absent = ~asked.present[pictures.rows]
    target = asked.of_class[pictures.rows]
    if min((absent & target).sum(), (absent & ~target).sum(), len(shown)) < _TAUGHT:
        return None
    counts = asked.around.once("kinds of cells", lambda: _whole(pictures))
    learner = LogisticRegression(C=10, max_iter=200, class_weight="balanced")
    guessed = cross_val_predict(learner, counts[absent], target[absent], cv=3, method="decision_function")
    knows = float(roc_auc_score(target[absent], guessed))
    if knows < _KNOWS:
        return None
    learner.fit(counts[absent], target[absent])
    rng = asked.chance("recognised_without")
    strangers = rng.choice(np.flatnonzero(absent & ~target), 200)
    own = learner.decision_function(_histogram(pictures, shown, masks))
    other = learner.decision_function(
        _histogram(pictures, strangers, masks[rng.integers(0, len(masks), 200)])
    )
    ranked = superiority(own, other)
    if ranked is None:
        return None
    return Signal(float(np.clip((ranked.value - 0.5) / (knows - 0.5), -1, 1.5)), ranked.p)


def _whole(pictures: Pictures) -> NDArray[np.float64]:
    nothing = np.zeros((len(pictures.rows), *pictures.cells_of), dtype=bool)
    return _histogram(pictures, np.arange(len(pictures.rows)), nothing)


def _histogram(
    pictures: Pictures, places: NDArray[np.int64], masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Count the kinds of the cells that are not hidden, square-rooted and scaled to unit length."""
    words = pictures.words[places]
    kinds = int(pictures.words.max()) + 1
    numbers = words + kinds * np.arange(len(places)).reshape(-1, *[1] * (words.ndim - 1))
    counts = np.bincount(numbers[~masks], minlength=kinds * len(places)).reshape(len(places), kinds)
    return np.asarray(np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)))


def without_it(asked: Question) -> dict[str, Signal]:
    """Measure what is left of the pictures without the facet; see the functions of each."""
    if len(asked.pictures.rows) < 2 * _TAUGHT:
        return {}
    return those(
        moves_with_salience=moves_with_salience(asked),
        salience_elsewhere=salience_elsewhere(asked),
        recognised_without=recognised_without(asked),
    )
