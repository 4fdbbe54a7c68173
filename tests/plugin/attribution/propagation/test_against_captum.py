"""Captum's LRP: equal where it is right; right where it fails."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule
from propagated_nets import Functional, Plain, Residual, make
from torch import nn

import foveal

torch.set_num_threads(1)


def _x():
    return torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Modules(nn.Module):
    """Positive inputs, every operation a module called once: what captum's rules are made for."""

    def __init__(self, bias):
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(2, 4, 3, padding=1, bias=bias), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(4, 5, 3, bias=bias), nn.ReLU()
        self.fc = nn.Linear(5, 3, bias=bias)

    def forward(self, x):
        return self.fc(self.relu2(self.conv2(self.pool(self.relu1(self.conv1(x))))).flatten(1))


#: Our method and its options; captum's rule.
RULES = {
    "epsilon": ("lrp-epsilon", {"epsilon": 1e-9}, lambda: EpsilonRule(epsilon=1e-9)),
    "gamma": ("lrp-gamma", {"gamma": 0.25}, lambda: GammaRule(gamma=0.25)),
    "z+": ("lrp-zplus", {}, Alpha1_Beta0_Rule),
}


def _theirs(net, x, rule, target=1):
    for layer in (net.conv1, net.conv2, net.fc):
        layer.rule = rule()
    with torch.no_grad():
        value = net(x)[:, target]
    relevance = LRP(net).attribute(x, target=target).sum(1).detach()
    return relevance, value


@pytest.mark.parametrize(
    ("name", "bias"), [("epsilon", False), ("epsilon", True), ("gamma", False), ("z+", False)]
)
def test_captum_agrees_on_what_it_is_made_for(name, bias):
    method, options, rule = RULES[name]
    net, x = make(Modules, bias).double(), _x()
    # Captum's gamma and z+ take all outputs and inputs for positive, and let the whole bias absorb.
    for layer in (net.conv1, net.conv2, net.fc):
        layer.weight.data += 0.1
    maps = foveal.explain(net, x, method=method, targets=["class:1"], layer="input", options=options).maps
    theirs, value = _theirs(net, x, rule)
    assert (value > 0).all()
    torch.testing.assert_close(maps[:, 0], theirs.float(), rtol=1e-4, atol=1e-6)


def test_conserved_where_captum_is_not():
    """Rectifiers as functions, a sum of two branches: captum passes the gradient of both unchanged."""
    x = _x()
    for kind in (Functional, Residual):
        net = make(kind).double()
        maps = foveal.explain(net, x, method="lrp-gamma", targets=["class:1"], layer="input").maps
        torch.testing.assert_close(maps.sum((1, 2, 3)), net(x)[:, 1].float(), rtol=1e-5, atol=1e-6)


def test_several_consumers_of_a_rectifier():
    """y = w (relu(h) + h), h = 2 x: c = w (2 + 2) for h > 0, w * 2 below."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
            self.fc1.weight.data, self.fc2.weight.data = 2 * torch.eye(2), torch.tensor([[1.0, -3.0]])

        def forward(self, x):
            h = self.fc1(x.flatten(1))
            return self.fc2(torch.relu(h) + h)

    x = torch.tensor([[[1.0, -1.0]]])
    maps = foveal.explain(Both().eval(), x, method="lrp-epsilon", layer="input", options={"epsilon": 0}).maps
    assert maps.tolist() == [[[4.0, 6.0]]]
    assert maps.sum() == Both().eval()(x).item()


def test_our_weights_are_left_alone_where_captum_changes_them():
    net, x = make(Plain, bias=True), _x().float()
    seen = []
    handle = net.conv1.register_forward_hook(lambda module, *_: seen.append(module.weight.data_ptr()))
    pointer, before = net.conv1.weight.data_ptr(), net.conv1.weight.detach().clone()
    foveal.explain(net, x, method="lrp", layer="input")
    handle.remove()
    assert set(seen) == {pointer}
    assert torch.equal(net.conv1.weight, before)
