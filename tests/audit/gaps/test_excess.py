"""A group that only production shows is found; production that is like training gives none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from foveal_audit.gaps.excess import (
    PURITY,
    SIGNIFICANT,
    SMALLEST,
    _tested,
    _threshold,
    find_excess,
    foreign_scores,
)


def scene(seed, strange=0, training=160, production=120):
    """Two windows a sample; the first ``strange`` production samples have one that lies apart."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(training + production), 2)
    described = rng.normal(size=(len(owner), 4)).astype(np.float32)
    apart = (owner >= training) & (owner < training + strange)
    described[apart & (np.arange(len(owner)) % 2 == 0)] += 5
    made = np.arange(training + production) >= training
    order = rng.permutation(training + production)  # sources come in any order
    return described, order[owner], ~made[np.argsort(order)], made[np.argsort(order)], order


def search(seed, **how):
    described, owner, training, production, _ = scene(seed, **how)
    scores = foreign_scores(described, owner, production[owner], seed)
    return find_excess(scores, owner, training, production)


def test_a_planted_group_is_found():
    described, owner, training, production, order = scene(0, strange=24)
    scores = foreign_scores(described, owner, production[owner], 0)
    excess = find_excess(scores, owner, training, production)
    planted = set(order[160:184].tolist())
    found = set(excess.members.tolist())
    assert len(found & planted) >= 14
    assert len(found - planted) <= 3
    assert excess.trained <= 2
    assert excess.p <= SIGNIFICANT / 2
    assert set(owner[excess.windows].tolist()) == found
    assert (np.diff(scores[excess.windows]) <= 0).all()


def test_production_like_training_has_no_group():
    found = [search(seed) for seed in range(12)]
    significant = [one for one in found if one is not None and one.p <= SIGNIFICANT]
    assert len(significant) == 0


def test_same_seed_same_group():
    first, second = search(3, strange=24), search(3, strange=24)
    np.testing.assert_array_equal(first.windows, second.windows)
    assert first.p == second.p


def test_no_window_is_scored_by_a_model_that_saw_its_sample():
    """Labels drawn at random: a model that had seen them would know; one that had not scores at random."""
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(150), 4)
    described = rng.normal(size=(150, 3))[owner].astype(np.float32)  # all windows of a sample are equal
    foreign = (rng.uniform(size=150) < 0.5)[owner]
    scores = foreign_scores(described, owner, foreign, 0)
    assert abs(scores[foreign].mean() - scores[~foreign].mean()) < 0.2  # one that had: above 0.7


@pytest.mark.parametrize(("training", "production"), [(1, 6), (40, 1), (40, 4), (1, 1)])
def test_hardly_any_samples_are_no_group(training, production):
    excess = search(0, training=training, production=production)
    assert excess is None or excess.p > SIGNIFICANT


def naive_threshold(trained, produced):
    good = []
    for level in produced[np.isfinite(produced)]:
        ours, alike = (produced >= level).sum(), (trained >= level).sum()
        theirs = (alike + 2 * alike**0.5 + 1) / len(trained) * len(produced)  # two errors more than counted
        enough = ours >= max(SMALLEST / 2, 0.005 * len(produced))
        if enough and 1 - theirs / ours >= PURITY:
            good.append(level)
    return min(good, default=None)


@pytest.mark.parametrize("seed", range(10))
def test_the_threshold_is_the_lowest_that_is_pure(seed):
    rng = np.random.default_rng(seed)
    trained, produced = rng.normal(size=50).round(1), rng.normal(0.8, 1.5, size=40).round(1)
    produced[:3] = -np.inf
    assert _threshold(trained, produced) == naive_threshold(trained, produced)


def test_an_excess_is_tested_by_counting():
    trained, produced = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.9, 0.8, 0.95, 0.1])
    table = [[3, 1], [1, 3]]
    assert _tested(trained, produced, 0.8) == pytest.approx(fisher_exact(table, alternative="greater").pvalue)


def test_no_choice_of_a_threshold_makes_its_own_significance():
    """Scores without meaning: the group is chosen where chance put it, and tested elsewhere."""
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores, made = rng.normal(size=200), rng.permutation(200) < 80
        excess = find_excess(scores, np.arange(200), ~made, made)
        p_values.append(1.0 if excess is None else excess.p)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05
