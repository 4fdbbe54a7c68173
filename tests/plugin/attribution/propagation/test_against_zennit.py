"""Zennit's rules, where it is installed: the same relevance from the same rule in every layer."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import nn

import foveal

if find_spec("torchvision") is not None:
    import torchvision_shim  # noqa: F401 - zennit imports torchvision, whose operators may be missing

pytest.importorskip("zennit", reason="zennit is not installed", exc_type=ImportError)

from zennit import rules
from zennit.attribution import Gradient
from zennit.composites import LayerMapComposite, SpecialFirstLayerMapComposite
from zennit.types import Activation, AvgPool, Convolution, Linear

torch.set_num_threads(1)


class Net(nn.Module):
    """Modules throughout, biases, inputs of both signs."""

    def __init__(self):
        super().__init__()
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(4, 6, 2), nn.ReLU(), nn.AvgPool2d(2)
        self.flat, self.fc1, self.relu3, self.fc2 = nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc2(self.relu3(self.fc1(self.flat(x))))


def _net():
    torch.manual_seed(0)
    return Net().double().eval(), torch.randn(3, 2, 6, 6, dtype=torch.float64)


def _theirs(net, x, dense, conv, first=None, unit=1):
    layers = [(Activation, rules.Pass()), (AvgPool, rules.Norm()), (Convolution, conv), (Linear, dense)]
    composite = LayerMapComposite(layer_map=layers)
    if first is not None:
        composite = SpecialFirstLayerMapComposite(layer_map=layers, first_map=[(Convolution, first)])
    mask = torch.eye(3, dtype=x.dtype)[[unit]]
    with Gradient(model=net, composite=composite, attr_output=lambda output: output * mask) as attributor:
        return attributor(x.clone())[1].sum(1).detach()


def _ours(net, x, method, **options):
    return foveal.explain(net, x, method=method, targets=["class:1"], layer="input", options=options).maps[
        :, 0
    ]


_TINY = 1e-12

SAME = {
    "epsilon": ("lrp-epsilon", {"epsilon": 0.05}, lambda: rules.Epsilon(0.05)),
    "gamma": ("lrp-gamma", {"gamma": 0.3}, lambda: rules.Gamma(0.3, stabilizer=_TINY)),
    "z+": ("lrp-zplus", {}, lambda: rules.ZPlus(stabilizer=_TINY)),
    "alpha-beta": ("lrp-alpha-beta", {"alpha": 2}, lambda: rules.AlphaBeta(2, 1, stabilizer=_TINY)),
}


@pytest.mark.parametrize("name", SAME)
def test_one_rule_everywhere(name):
    method, options, rule = SAME[name]
    net, x = _net()
    theirs = _theirs(net, x, rule(), rule())
    torch.testing.assert_close(_ours(net, x, method, **options), theirs.float(), rtol=1e-4, atol=1e-6)


def test_excitation_is_z_plus_without_biases():
    net, x = _net()
    rule = rules.ZPlus(stabilizer=_TINY, zero_params="bias")
    theirs = _theirs(net, x.abs(), rule, rule)
    theirs = theirs / theirs.sum((1, 2), keepdim=True)
    torch.testing.assert_close(_ours(net, x.abs(), "excitation"), theirs.float(), rtol=1e-4, atol=1e-6)


FIRST = {
    "w2": ({}, lambda: rules.WSquare(stabilizer=_TINY, zero_params="bias")),
    "flat": ({}, lambda: rules.Flat(stabilizer=_TINY, zero_params="bias")),
    "box": ({"low": -5.0, "high": 5.0}, lambda: rules.ZBox(-5.0, 5.0, stabilizer=_TINY)),
}


@pytest.mark.parametrize("first", FIRST)
def test_recommended_composite(first):
    bounds, rule = FIRST[first]
    net, x = _net()
    theirs = _theirs(net, x, rules.Epsilon(1e-6), rules.Gamma(0.25, stabilizer=_TINY), rule())
    ours = _ours(net, x, "lrp", first=first, **bounds)
    torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-6)
