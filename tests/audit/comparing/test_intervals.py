"""Bootstrap intervals."""

import numpy as np
import pytest

from foveal_audit.comparing.intervals import estimate


def test_by_value():
    assert estimate(np.array([0.25])) == estimate(np.array([0.25, 0.25, 0.25])).__class__(0.25, 0.25, 0.25, 1)


def test_the_interval_holds_the_mean_and_is_that_of_the_normal_for_many_samples():
    values = np.random.default_rng(3).normal(size=400)
    one = estimate(values)
    assert one.low < one.mean < one.high
    assert one.mean == pytest.approx(values.mean())
    assert one.high - one.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert one.count == 400


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(10.0)
    assert estimate(values, 1) == estimate(values, 1) != estimate(values, 2)
