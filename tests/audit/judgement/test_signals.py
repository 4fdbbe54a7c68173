"""Signals by hand, and how often chance alone raises them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from foveal_audit.judgement.signals import (
    COMPARED,
    PERMUTATIONS,
    conditional_association,
    cramers_v,
    exceedance,
    plain_association,
    position_lock,
    stamp_likeness,
)
from foveal_audit.judgement.signals.appearance import _nearest_five
from foveal_audit.judgement.signals.position import _cells, _entropy
from foveal_audit.units.appearance import shifted_correlation

LEAST = 1 / (1 + PERMUTATIONS)


def presence(table):
    """Spread a table (absent, present) x groups over samples."""
    present, groups = [], []
    for side, row in enumerate(table):
        for group, count in enumerate(row):
            present += [bool(side)] * count
            groups += [group] * count
    return np.array(present), np.array(groups)


@pytest.mark.parametrize(
    ("table", "v"),
    [
        ([[30, 0], [0, 30]], 1),
        ([[15, 15], [15, 15]], 0),
        # chi2/n = 0.16; minus 1/99; over (2 - 1/99 - 1)
        ([[35, 15], [15, 35]], np.sqrt((0.16 - 1 / 99) / (1 - 1 / 99))),
        # weaker than its own bias: chi2/n = 0.0064
        ([[27, 23], [23, 27]], 0),
        # 2 x 3: expected 20, 20, 10 in each row; chi2/n = (100/20 + 100/20) * 2 / 100 = 0.2
        ([[30, 10, 10], [10, 30, 10]], np.sqrt((0.2 - 2 / 99) / (1 - 1 / 99))),
    ],
)
def test_cramers_v_by_hand(table, v):
    assert cramers_v(*presence(table)) == pytest.approx(v, abs=1e-12)


def test_cramers_v_of_a_table_with_one_row_or_column_is_nothing():
    assert cramers_v(np.ones(9, bool), np.arange(9) % 3) == 0
    assert cramers_v(np.arange(9) % 2 == 0, np.full(9, 4)) == 0


def test_groups_that_nobody_is_in_change_nothing():
    present, groups = presence([[30, 10, 10], [10, 30, 10]])
    assert cramers_v(present, groups * 3 + 2) == cramers_v(present, groups)


def test_occupancy_entropy_by_hand():
    assert _entropy(_cells(np.full((7, 2), 0.3))) == 0
    two = np.array([[0.1, 0.1]] * 3 + [[0.9, 0.1]])
    assert _entropy(_cells(two)) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    grid = (np.stack(np.mgrid[:8, :8], axis=-1).reshape(-1, 2) + 0.5) / 8
    assert _entropy(_cells(grid)) == pytest.approx(np.log(64))
    assert _entropy(_cells(np.array([[1.0, 1.0], [0.99, 0.99]]))) == 0  # the far edge is in the last cell


def test_exceedance_by_hand():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert exceedance(0.3, null) == pytest.approx(3 / 5)
    assert exceedance(0.05, null) == 1
    assert exceedance(0.41, null) == min(1 / 5, norm.sf((0.41 - null.mean()) / null.std()))
    assert exceedance(9, null) == 1e-12
    assert exceedance(9, np.zeros(4)) == 1 / 5  # a null without spread has no tail


def test_what_keeps_to_one_place_is_locked():
    rng = np.random.default_rng(0)
    pool = rng.uniform(0, 1, (500, 2))
    fixed = position_lock(np.full((40, 2), 0.1), pool, rng)
    assert fixed.value == 1
    assert fixed.p < LEAST
    anywhere = position_lock(rng.uniform(0, 1, (40, 2)), pool, rng)
    assert anywhere.value < 0.15
    assert anywhere.p > 0.01


def test_what_the_model_looks_at_anyway_is_no_lock():
    """A pool that keeps to one place itself: the same place again says nothing."""
    rng = np.random.default_rng(1)
    pool = np.full((200, 2), 0.5)
    assert position_lock(np.full((40, 2), 0.5), pool, rng).value == 0


def test_a_facet_larger_than_the_pool_is_measured():
    rng = np.random.default_rng(2)
    lock = position_lock(np.full((50, 2), 0.2), rng.uniform(0, 1, (30, 2)), rng)
    assert lock.value == 1
    assert lock.p == LEAST  # all subsets are the pool: no spread, no tail


def test_nearest_five_by_hand():
    match = np.full((7, 7), 0.25, np.float32)
    match[:, 0] = 1
    np.fill_diagonal(match, -1)
    assert _nearest_five(match) == pytest.approx((6 * (1 + 4 * 0.25) + 5 * 0.25) / 35)
    assert _nearest_five(np.full((1, 1), -1, np.float32)) == 0
    assert _nearest_five(np.array([[-1, 0.5], [0.7, -1]])) == pytest.approx(0.6)


def test_copies_are_like_stamps():
    rng = np.random.default_rng(3)
    around = shifted_correlation(rng.normal(size=(80, 32, 32)).astype(np.float32))
    copies = np.repeat(rng.normal(size=(1, 32, 32)), 30, axis=0) + rng.normal(0, 0.1, (30, 32, 32))
    stamped = stamp_likeness(copies.astype(np.float32), around, rng)
    assert stamped.value > 0.95
    assert stamped.p < LEAST


def test_a_small_pool_does_not_make_a_stamp():
    """More crops find nearer neighbours: facet and null are compared at one size."""
    small = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        crops = rng.normal(size=(COMPARED + 12, 32, 32)).astype(np.float32)
        small.append(stamp_likeness(crops[12:], shifted_correlation(crops[:12]), rng).value)
    rng = np.random.default_rng(0)
    null = [
        _nearest_five(shifted_correlation(rng.normal(size=(12, 32, 32)).astype(np.float32)))
        for _ in range(40)
    ]
    assert np.mean(small) == pytest.approx(np.mean(null), abs=0.01)


def calibrated(p_values):
    """Whether chance alone gives small p-values no more often than they say (99.9 % sure for 200)."""
    return (np.array(p_values) <= 0.05).mean() <= 0.11 and (np.array(p_values) <= 0.2).mean() <= 0.30


def test_subsets_of_the_pool_are_locked_and_stamped_as_often_as_p_says():
    locked, stamped = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pool = rng.beta(2, 3, (300, 2))
        locked.append(position_lock(pool[rng.choice(300, 40, replace=False)], pool, rng).p)
    crops = np.random.default_rng(0).normal(size=(120, 32, 32)).astype(np.float32)
    crops[:30] += 2 * crops[0]  # a pool with a stamp in it
    around = shifted_correlation(crops)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        stamped.append(stamp_likeness(crops[rng.choice(120, 20, replace=False)], around, rng).p)
    assert calibrated(locked)
    assert calibrated(stamped)


def test_presence_that_follows_the_class_alone_goes_with_a_site_as_often_as_p_says():
    """The site follows the class and so does the facet: plainly associated, but not given the class."""
    given, plain = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, 2, 200)
        groups = (rng.uniform(size=200) < np.where(classes, 0.8, 0.2)).astype(np.int64)
        present = rng.uniform(size=200) < np.where(classes, 0.7, 0.1)
        given.append(conditional_association(present, groups, classes, rng).p)
        plain.append(plain_association(present, groups, rng).p)
    assert calibrated(given)
    assert np.mean(np.array(plain) <= 0.05) > 0.9


def test_a_mark_follows_the_site_inside_one_class():
    rng = np.random.default_rng(5)
    classes, groups = np.repeat([0, 1], 100), np.tile([0, 1], 100)
    tied = conditional_association((groups == 1) & (classes == 1), groups, classes, rng)
    assert tied.value == pytest.approx(1)  # class 0 never shows it and is not asked
    assert tied.p < LEAST


def test_the_question_cannot_be_asked_of_one_group_or_few_samples():
    rng = np.random.default_rng(6)
    half = np.arange(40) % 2 == 0
    assert conditional_association(half, np.zeros(40, np.int64), np.zeros(40, np.int64), rng) is None
    assert conditional_association(half, np.arange(40) // 20, np.arange(40) // 8, rng) is None
    few = np.arange(40) < 4
    assert conditional_association(few, np.arange(40) % 2, np.zeros(40, np.int64), rng) is None


def naive_v(present, groups):
    """Cramer's V from one table, cell by cell."""
    names = sorted(set(groups.tolist()))
    table = [[sum((present == side) & (groups == name)) for name in names] for side in (False, True)]
    rows, columns, total = (
        [sum(row) for row in table],
        [sum(col) for col in zip(*table, strict=True)],
        len(groups),
    )
    if min(rows) == 0 or len(names) < 2:
        return 0.0
    cells = [(r, c) for r in range(2) for c in range(len(names))]
    expected = {(r, c): rows[r] * columns[c] / total for r, c in cells}
    phi = sum((table[r][c] - expected[r, c]) ** 2 / expected[r, c] for r, c in cells) / total
    phi = max(0.0, phi - (len(names) - 1) / (total - 1))
    width = min(2 - 1 / (total - 1), len(names) - (len(names) - 1) ** 2 / (total - 1)) - 1
    return min(1.0, np.sqrt(phi / width)) if width > 0 else 0.0


@pytest.mark.parametrize("seed", range(6))
def test_all_permutations_at_once_are_those_one_by_one(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(60, 120))
    groups, classes = rng.integers(0, 4, number) * 2, rng.integers(0, 3, number)
    present = rng.random(number) < np.where(groups == 2, 0.6, 0.3)
    value, p = conditional_association(
        present, groups, classes, np.random.default_rng(seed)
    ).__dict__.values()
    strata = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    chance = np.random.default_rng(seed)

    def pooled(arrange):
        found = [naive_v(present[rows], groups[arrange(rows)]) for rows in strata]
        return np.average(found, weights=[len(rows) for rows in strata])

    assert value == pytest.approx(pooled(lambda rows: rows))
    null = np.array([pooled(chance.permutation) for _ in range(PERMUTATIONS)])
    assert p == pytest.approx(exceedance(value, np.round(null, 12)), rel=0.02)
    plain = plain_association(present, groups, np.random.default_rng(seed))
    assert plain.value == pytest.approx(naive_v(present, groups))
