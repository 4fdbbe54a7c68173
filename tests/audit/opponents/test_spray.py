"""SpRAy on planted maps, its separability against the eigenvalue it is, and the rules by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from foveal_audit.opponents import rules, spray
from foveal_audit.opponents.rules import focus, judge
from foveal_audit.opponents.spray import separability, shares

CORNER = np.arange(60) < 12


def look_at(centres, rng):
    """Maps of blobs around the given places, (n, 16, 16)."""
    y, x = np.mgrid[:16, :16]
    maps = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / 6) + rng.normal(0, 0.02, (16, 16)) for a, b in centres]
    return np.array(maps, np.float32)


@pytest.fixture
def corner_maps():
    """60 maps of one class: 12 look at a corner, the others around the middle."""
    rng = np.random.default_rng(0)
    return look_at([(1, 14) if corner else rng.normal(8, 1, 2) for corner in CORNER], rng)


def test_two_strategies_of_a_class_are_found(make_seen, corner_maps):
    seen = make_seen(["training"] * 60, maps=corner_maps)
    found = spray.find(seen, seed=0)
    inside = [rows.tolist() for rows, _ in found]
    assert np.flatnonzero(CORNER).tolist() in inside
    assert sorted(row for rows in inside for row in rows) == list(range(60))
    assert all(score > 0 for _, score in found)


def test_each_class_is_clustered_by_itself_and_production_left_out(make_seen, corner_maps):
    sources = ["training"] * 120 + ["production"] * 60
    seen = make_seen(sources, np.repeat([0, 1, 0], 60), maps=np.concatenate([corner_maps] * 3))
    found = spray.find(seen, seed=0)
    sides = [set((rows // 60).tolist()) for rows, _ in found]
    assert all(side in ({0}, {1}) for side in sides)
    assert {0, 1} == set().union(*sides)


def test_few_pictures_of_a_class_are_not_clustered(make_seen, corner_maps):
    assert spray.find(make_seen(["training"] * 23, maps=corner_maps[:23]), seed=0) == []


def test_only_what_speaks_for_the_class_counts():
    maps = np.array([[[1, -5], [3, 0]], [[-1, -1], [0, 0]]], np.float32)
    np.testing.assert_allclose(shares(maps), [[0.25, 0, 0.75, 0], [0, 0, 0, 0]])


def test_separability_is_the_largest_eigenvalue():
    rng = np.random.default_rng(1)
    inside = np.arange(90) < 25
    points = rng.normal(size=(90, 4)) + inside[:, None] * np.array([2, 0, -1, 0])
    within, between = np.zeros((2, 4, 4))
    for part in (points[inside], points[~inside]):
        away = part.mean(0) - points.mean(0)
        within += (part - part.mean(0)).T @ (part - part.mean(0))
        between += len(part) * np.outer(away, away)
    ridge = np.eye(4) * spray._RIDGE * points.var(0).mean()
    naive = eigh(between / 90, within / 90 + ridge, eigvals_only=True)[-1]
    assert separability(points, inside) == pytest.approx(naive)
    assert separability(points, np.ones(90, bool)) == 0


def test_focus_by_hand():
    one, half = np.zeros((2, 4, 4))
    one[2, 3], half[:2] = 5, 0.1
    maps = np.array([np.ones((4, 4)), one, half], np.float32)
    np.testing.assert_allclose(focus(maps), [0, 1, 1 - np.log(8) / np.log(16)], atol=1e-7)


def test_rules_by_hand():
    labels = np.repeat([0, 1, 2], [4, 48, 48])
    outcomes = np.concatenate([np.zeros(4), np.ones(48), np.repeat([0, 1], 24)]).astype(int)
    focused = np.concatenate([np.full(4, 0.7), np.full(48, 0.65), np.full(48, 0.9)])
    scores = judge(labels, outcomes, focused, silhouette=0.1)
    assert scores == pytest.approx({0: 2 + 0.99 * 0.96, 1: 1 + 0.99 * 0.65, 2: 0.99 * 0.5 * 0.9})
    apart = judge(labels[52:], outcomes[52:], focused[52:], silhouette=0.4)
    assert apart == pytest.approx({2: 1 + 0.99 * 0.5 * 0.9})


def test_a_rare_strategy_breaks_a_rule(make_seen, corner_maps):
    rng = np.random.default_rng(2)
    maps = np.concatenate([corner_maps[CORNER], look_at(rng.normal(8, 1, (240, 2)), rng)])
    seen = make_seen(["training"] * 252, np.r_[np.zeros(12, int), np.arange(240) % 2], maps=maps)
    found = rules.find(seen, seed=0)
    assert sorted(row for rows, _ in found for row in rows) == list(range(252))
    (score,) = [score for rows, score in found if rows.tolist() == list(range(12))]
    assert score == pytest.approx(1 + 0.99 * (1 - 12 / 252))
