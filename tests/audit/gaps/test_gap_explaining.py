"""What goes with a group."""

from __future__ import annotations

import numpy as np
from synthetic_library import make_samples

from foveal_audit.gaps.explaining import explanations


def samples(site):
    return make_samples(["training"] * 20 + ["production"] * 80, site=["A"] * 20 + list(site))


def test_the_value_that_the_group_has_and_the_rest_has_not():
    site = ["D"] * 18 + ["A", "B"] + ["A", "B", "C"] * 20
    assert explanations(np.arange(20, 40), samples(site)) == {"site": "D"}


def test_a_value_that_all_have_chance_or_none_explains_nothing():
    assert explanations(np.arange(20, 40), samples(["A"] * 80)) == {}
    assert explanations(np.arange(20, 22), samples(["D"] * 2 + ["A", "D"] * 39)) == {}
    assert explanations(np.arange(20, 40), samples([""] * 20 + ["A"] * 60)) == {}
