"""Where a group begins: by hand."""

from __future__ import annotations

import numpy as np

from foveal_audit.gaps.counting import count, threshold

NONE = np.zeros(0)


def test_counts_by_hand():
    counted = count(np.array([3.0, 2.0, 1.0, -np.inf]), np.array([2.0, 0.0, 0.0, 0.0]), NONE)
    assert counted.levels.tolist() == [3, 2, 1]
    assert counted.produced.tolist() == [1, 2, 3]
    assert counted.trained.tolist() == [0, 1, 1]
    np.testing.assert_allclose(counted.expected, [0.5, 2.5, 2.5])  # as many of both: 1 + sqrt 1 + 1/2


def test_harmless_copies_count_where_there_are_more_of_them():
    counted = count(np.array([3.0, 2.0, 1.0]), np.array([0.0] * 4), np.array([2.5, 0.0]))
    assert counted.trained.tolist() == [0, 2, 2]  # one of two copies stands for two of four samples


def test_the_group_begins_where_training_does():
    rng = np.random.default_rng(0)
    usual = rng.uniform(0, 1, 400)
    produced = np.concatenate([rng.uniform(0, 1, 180), rng.uniform(1.1, 2, 20)])
    level = threshold(count(produced, usual, NONE))
    assert level is not None
    assert set(np.flatnonzero(produced >= level)) >= set(range(180, 200))
    assert (produced >= level).sum() <= 22


def test_too_small_too_mixed_or_explained_by_a_harmless_change_is_no_group():
    usual = np.linspace(0, 1, 400)
    few = np.concatenate([np.linspace(0, 1, 196), np.full(4, 2.0)])
    assert threshold(count(few, usual, NONE)) is None
    twice = np.concatenate([np.linspace(0, 1, 150), np.full(50, 2.0)])
    assert threshold(count(twice, np.concatenate([usual[:350], np.full(50, 2.0)]), NONE)) is None
    assert threshold(count(twice, usual, np.concatenate([usual[:50], np.full(50, 2.0)]))) is None
    assert threshold(count(twice, usual, NONE)) == 2.0
