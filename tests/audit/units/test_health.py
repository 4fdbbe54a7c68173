"""Nodes that are of no use."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.units.health import firing_notes, twins

OVER = "over-firing: above half of its highest value in half of the samples"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (np.zeros(400), "dead: never above zero"),
        (np.full(400, -2.0), "dead: never above zero"),
        (np.full(400, 0.5), "constant: the same for every sample"),
        (np.r_[np.zeros(397), 1, 2, 3], "nearly dead: above zero in 3 of 400 samples"),
        (np.r_[np.zeros(396), 1, 2, 3, 4], ""),
        (np.r_[np.full(201, 6.0), 10, np.zeros(198)], OVER),
        (np.r_[np.full(199, 6.0), 10, np.zeros(200)], ""),
        (np.linspace(-1, 1, 400), ""),
    ],
)  # fmt: skip
def test_how_a_node_fires(values, note):
    assert firing_notes(values[:, None].astype(np.float32)) == [note]


def test_twins_are_named_by_the_first():
    rng = np.random.default_rng(0)
    first, other = rng.normal(size=(2, 300))
    # 0 and 2 and 4 are one; 3 goes the other way; 5 is constant.
    values = np.stack([first, other, 3 * first + 1, -first, first + 0.01 * other, np.ones(300)], axis=1)
    assert twins(values.astype(np.float32)) == {2: 0, 4: 0}


def test_nearly_alike_is_not_a_twin():
    rng = np.random.default_rng(1)
    first, other = rng.normal(size=(2, 5000))
    values = np.stack([first, first + 0.3 * other], axis=1)  # correlation .96
    assert twins(values.astype(np.float32)) == {}
