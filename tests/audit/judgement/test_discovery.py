"""Benjamini and Yekutieli against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement.discovery import benjamini_yekutieli

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def naive(p_values):
    """For each p the smallest adjusted value over all that are as large or larger."""
    number = len(p_values)
    harmonic = sum(1 / k for k in range(1, number + 1))
    ordered = sorted(p_values)
    scaled = [p * number * harmonic / rank for rank, p in enumerate(ordered, start=1)]
    return [min(1, *(q for p, q in zip(ordered, scaled, strict=True) if p >= own)) for own in p_values]


@given(P_VALUES)
def test_it_is_the_definition(p_values):
    np.testing.assert_allclose(benjamini_yekutieli(np.array(p_values)), naive(p_values), rtol=1e-12)


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_it_flags_what_stepping_up_flags(p_values, rate):
    ordered, number = sorted(p_values), len(p_values)
    harmonic = sum(1 / k for k in range(1, number + 1))
    passing = [k for k, p in enumerate(ordered, 1) if p * number * harmonic / k <= rate]
    flagged = benjamini_yekutieli(np.array(p_values)) <= rate
    assert flagged.sum() == sum(p <= ordered[max(passing) - 1] for p in p_values if passing)


def test_by_hand():
    adjusted = benjamini_yekutieli(np.array([0.04, 0.001, 0.9]))
    np.testing.assert_allclose(adjusted, [0.04 * 3 * (11 / 6) / 2, 0.001 * 3 * (11 / 6), 1])


def test_one_and_none():
    assert benjamini_yekutieli(np.array([0.03])) == pytest.approx([0.03])
    assert benjamini_yekutieli(np.empty(0)).shape == (0,)
