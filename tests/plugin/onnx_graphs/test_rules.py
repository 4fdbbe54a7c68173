"""Every rule against torch's autograd: random shapes and settings, gradients lazy along any axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_cases import CASES
from onnx_steps import back, forward, seeds, truth

import foveal.onnx_graphs.sweeping  # noqa: F401 - fills the table
from foveal.onnx_graphs.stepping import RULES


def test_every_rule_has_a_case():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("operator", sorted(CASES))
def test_a_rule_leads_back_as_torch_does(operator):
    @settings(max_examples=8, deadline=None)
    @given(st.data())
    def check(data):
        case = CASES[operator](data.draw)
        y = forward(case)
        seed = data.draw(seeds(y.shape))
        expected_y, expected = truth(case, seed)
        np.testing.assert_allclose(y, expected_y, rtol=1e-3, atol=1e-4)  # the case itself
        found = back(case, seed)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-4 * max(1, np.abs(expected).max()))

    check()
