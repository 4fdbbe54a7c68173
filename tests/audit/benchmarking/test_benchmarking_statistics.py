"""Figures against hand-computed ones and naive twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.benchmarking.statistics import (
    auroc,
    average_precision,
    brier,
    calibration_error,
    paired_bootstrap,
    wilson,
)

scores = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=8)


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=4))
def test_auroc_is_the_share_of_pairs_in_order(models):
    positives = [score for own, _ in models for score in own]
    negatives = [score for _, own in models for score in own]
    pairs = [(a > b) + (a == b) / 2 for a in positives for b in negatives]
    assert auroc(models) == pytest.approx(np.mean(pairs))


def test_without_both_kinds_there_is_no_auroc():
    assert auroc([([], [0.1]), ([], [])]) is None
    assert auroc([([0.3], [])]) is None
    assert average_precision([([], [0.1])]) is None


def test_average_precision_by_hand():
    # Ranked: hit, miss, hit: (1/1 + 2/3) / 2.
    assert average_precision([([0.9, 0.2], [0.5])]) == pytest.approx((1 + 2 / 3) / 2)


def test_wilson_by_hand():
    z, n, p = 1.959964, 10, 0.1
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson(1, 10) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 20)[0] == 0


def test_brier_and_calibration_by_hand():
    assert brier([1.0, 0.5, 0.0], [1, 1, 1]) == pytest.approx((0 + 0.25 + 1) / 3)
    # Two bins: stated .15 and true 0 (three of four), stated .95 and true 1 (one of four).
    assert calibration_error([0.15, 0.15, 0.15, 0.95], [0, 0, 0, 1]) == pytest.approx(
        0.75 * 0.15 + 0.25 * 0.05
    )
    assert calibration_error([1.0], [1]) == 0


def test_a_better_detector_is_better_for_sure():
    good = [([0.9], [0.1, 0.2])] * 12
    bad = [([0.15], [0.1, 0.2])] * 12
    difference, low, high, p = paired_bootstrap(good, bad, 0)
    assert difference == low == high == pytest.approx(0.5)
    assert p == 0


def test_the_bootstrap_pairs_models_and_sees_chance():
    rng = np.random.default_rng(0)
    first = [(rng.normal(size=2).tolist(), rng.normal(size=3).tolist()) for _ in range(12)]
    assert paired_bootstrap(first, first, 0)[:3] == (0, 0, 0)
    second = [(rng.normal(size=2).tolist(), rng.normal(size=3).tolist()) for _ in range(12)]
    _, low, high, p = paired_bootstrap(first, second, 0)
    assert low < 0 < high
    assert 0.02 < p < 0.98
    assert paired_bootstrap([([], [1.0])], [([], [1.0])], 0) is None
