"""Pairs of attributes that training shows only apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from foveal_audit.gaps.conjunctions import find_conjunctions, g_test, kinds_of_picture


def attributes(joined, seed=0):
    """Colour and shape, independent, but no red star in training and ``joined`` in production."""
    rng = np.random.default_rng(seed)
    colour, shape = rng.choice(["red", "blue"], 600, p=[0.3, 0.7]), rng.choice(["star", "disc", "box"], 600)
    colour[(colour == "red") & (shape == "star")] = "blue"
    colour[400 : 400 + joined], shape[400 : 400 + joined] = "red", "star"
    training = np.arange(600) < 400
    noise = np.char.add("n", np.arange(600).astype(str))
    return {"colour": colour, "shape": shape, "name": noise}, training, ~training


def test_the_g_test_is_that_of_scipy():
    table = [[3, 40], [60, 97]]
    ours = g_test(3, 43, 63, 200)
    assert ours == pytest.approx(chi2_contingency(table, correction=False, lambda_="log-likelihood").pvalue)


def test_a_joined_pair_is_found():
    values, training, production = attributes(20)
    (found,) = find_conjunctions(values, training, production)
    assert found.values == {"colour": "red", "shape": "star"}
    assert found.members.tolist() == list(range(400, 420))
    assert found.trained == 0
    assert found.expected == pytest.approx(
        (values["colour"][:400] == "red").sum() * (values["shape"][:400] == "star").sum() / 400
    )
    assert found.p < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_a_pair_that_production_lacks_too_is_none(seed):
    assert find_conjunctions(*attributes(2, seed)) == []


def test_a_value_that_training_never_has_is_no_conjunction():
    values, training, production = attributes(0)
    values["colour"][400:430] = "green"
    assert find_conjunctions(values, training, production) == []


def test_kinds_of_picture_only_where_they_are_plain():
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(200, 4)).astype(np.float32)
    assert kinds_of_picture(cloud, 0) is None
    cloud[:60] += 8
    kinds = kinds_of_picture(cloud, 0)
    assert len(set(kinds[:60])) == len(set(kinds[60:])) == 1
    assert kinds[0] != kinds[-1]
