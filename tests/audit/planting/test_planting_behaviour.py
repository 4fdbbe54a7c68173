"""The truth by behaviour."""

import numpy as np
import pytest
import torch
from torch import nn

from foveal_audit.planting.behaviour import ask, compare
from foveal_audit.planting.case import Case, Mark, Sizes
from foveal_audit.planting.marks.kinds import Look


class Corner(nn.Module):
    """Class 1 for what is bright in the top right corner, where the marker goes; class 0 otherwise."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        bright = x[:, :, 3:14, 50:61].mean(dim=(1, 2, 3))
        zero = torch.zeros_like(bright)
        return torch.stack([zero, self.weight * (bright + 0.6), zero - 5], dim=1)


def case(**fields):
    marks = (Mark(Look("marker"), prevalence=0.5, leak=0.5),)
    return Case("toy", "nodules", "mobile", 2, marks=marks, sizes=Sizes(oracle=40), **fields)


def test_a_network_that_sees_the_mark_relies_on_it():
    found = ask(case(), Corner(3.0)).switches[0]
    assert (found.factor, found.outcome, found.images) == ("mark 0", 1, 40)
    assert found.relied
    assert found.flipped > 0.7
    assert found.effects[1] > 1 > 0 > found.effects[0]


def test_a_network_that_does_not_see_it_does_not():
    found = ask(case(), Corner(0.0))
    assert not any(one.relied for one in found.switches)
    assert found.switches[0].p == 1


def test_core_factors_are_switched_where_they_are():
    factors = {one.factor: one.images for one in ask(case(), Corner(3.0)).switches}
    assert set(factors) == {"mark 0", "nodule", "spikes"}
    assert 40 > factors["nodule"] > factors["spikes"] >= 12


def test_effects_are_in_standard_deviations():
    off = np.array([[1.0, -1.0], [-1.0, 1.0]] * 8)
    found = compare("x", off + np.array([-0.25, 0.25]), off, outcome=1)
    assert found.effects == pytest.approx((-0.25, 0.25))
    assert found.flipped == 0
    assert not found.relied  # a quarter of a standard deviation and no flip
    assert found.p < 0.01


def test_flips_alone_are_enough():
    off = np.linspace(-1, 1, 40)[:, None] * [[-10.0, 10.0]]
    found = compare("x", off + np.array([-1.5, 1.5]), off, outcome=1)
    assert found.effects[1] < 0.5
    assert found.flipped == pytest.approx(0.075, abs=0.01)
    assert found.relied


def test_what_chance_does_is_not_relied_on():
    rng = np.random.default_rng(0)
    off = rng.normal(size=(9, 2))
    on = off + rng.normal(size=(9, 2)) * 5
    assert not compare("x", on, off, outcome=0).relied


def test_the_class_is_the_one_that_gains_most():
    off = np.zeros((20, 3))
    off[::2] += [1.0, -1.0, 0.0]
    assert compare("x", off + np.array([0.0, 0.1, -0.1]), off).outcome == 1
