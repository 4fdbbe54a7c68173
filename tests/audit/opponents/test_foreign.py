"""Strangeness against plain computations; groups from a threshold on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from foveal_audit.opponents import foreign, strangeness
from foveal_audit.opponents.foreign import ForeignOpponent
from foveal_audit.opponents.seen import Seen

N, P, FAR = 80, 60, 15
SOURCES = ["training"] * N + ["production"] * P
ODD = np.arange(P) < FAR


@pytest.fixture
def seen(make_seen):
    """Two classes of activations; the first 15 production samples lie far from both."""
    rng = np.random.default_rng(0)
    predicted = np.arange(N + P) % 2
    features = rng.normal(0, 0.3, (N + P, 6)) + np.where(predicted, 3, -3)[:, None] * np.eye(6)[0]
    features[N : N + FAR] = rng.normal(0, 0.3, (FAR, 6)) + 3 * np.eye(6)[1]
    logits = np.stack([-features[:, 0], features[:, 0]], 1) * 2
    return make_seen(SOURCES, predicted, features=features.astype(np.float32), logits=logits)


@pytest.mark.parametrize("measure", ["softmax", "energy", "mahalanobis", "neighbours"])
def test_a_far_group_is_told_apart(seen, measure):
    scores = getattr(strangeness, measure)(seen)[N:]
    assert roc_auc_score(ODD, scores) == pytest.approx(1, abs=0.02)


def test_softmax_and_energy_by_hand(make_seen):
    seen = make_seen(["training"], logits=np.log([[3.0, 1.0]]))
    assert strangeness.softmax(seen)[0] == pytest.approx(0.25)
    assert strangeness.energy(seen)[0] == pytest.approx(-np.log(4))


def test_mahalanobis_by_the_formula(seen):
    known, classes = seen.features[:N].astype(float), seen.samples.predicted[:N]
    means = [known[classes == one].mean(0) for one in (0, 1)]
    rest = np.concatenate([known[classes == one] - means[one] for one in (0, 1)])
    inverse = np.linalg.inv(rest.T @ rest / N)
    new = seen.features[N:].astype(float)
    naive = [min((x - mean) @ inverse @ (x - mean) for mean in means) for x in new]
    np.testing.assert_allclose(strangeness.mahalanobis(seen)[N:], naive, rtol=1e-6)


def test_training_is_held_against_the_others(seen):
    scores = strangeness.mahalanobis(seen)
    part = np.arange(N) % 5 == 2
    others = np.flatnonzero(~part)
    classes = seen.samples.predicted[others]
    naive = strangeness._distance(seen.features[:N][part], seen.features[others], classes)
    np.testing.assert_allclose(scores[:N][part], naive)


def test_neighbours_by_sorting(seen):
    unit = seen.features / np.linalg.norm(seen.features, axis=1, keepdims=True)
    distance = np.linalg.norm(unit[:, None] - unit[None, :N], axis=2)
    distance[np.arange(N), np.arange(N)] = np.inf
    np.testing.assert_allclose(strangeness.neighbours(seen), np.sort(distance, 1)[:, 9], atol=1e-5)


@pytest.fixture
def answer(monkeypatch, seen):
    """Ask a detector about what is seen, or about a part of it."""

    class _Known:
        samples = seen.samples

    def ask(scores=None, view=seen):
        monkeypatch.setattr(foreign, "look", lambda _evidence, _model: view)
        measure = strangeness.neighbours if scores is None else lambda _seen: scores
        return ForeignOpponent("kNN", measure).gaps(_Known, None, 0)

    return ask


def test_the_far_samples_are_a_group(answer):
    found = answer()
    assert found.scores.shape == (P,)
    assert roc_auc_score(ODD, found.scores) == 1
    (group,) = found.groups
    assert set(range(N, N + FAR)) <= set(group.tolist())
    assert len(group) <= FAR + 6


def test_production_like_training_gives_no_group(answer):
    rng = np.random.default_rng(1)
    assert answer(rng.normal(size=N + P)).groups == ()


def test_what_cannot_be_read_is_taken_to_be_like_training(answer, seen):
    kept = np.setdiff1d(np.arange(N + P), [N, N + 40])
    arrays = {name: values[kept] for name, values in vars(seen).items() if name not in ("samples", "rows")}
    part = Seen(seen.samples, kept, **arrays)
    found = answer(view=part)
    assert found.scores[0] == found.scores[40] == strangeness.neighbours(part).min()
    assert N not in found.groups[0]
    assert N + 1 in found.groups[0]


def test_without_production_there_is_no_answer(answer, seen):
    kept = np.arange(N)
    arrays = {name: values[kept] for name, values in vars(seen).items() if name not in ("samples", "rows")}
    assert answer(view=Seen(seen.samples, kept, **arrays)) is None
