"""Relevance on whole networks: conserved, equal to its twins, untouched by how a network is written."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from propagated_nets import Dense, Functional, Gated, Normed, Plain, Residual, Reused, Transformer, make
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import foveal
from foveal.attribution.propagation import rules
from foveal.attribution.propagation.engine import Propagation
from foveal.errors import UsageError

METHODS = ("lrp", "lrp-epsilon", "lrp-gamma", "lrp-zplus", "lrp-alpha-beta", "deep-taylor")
NETS = (Plain, Functional, Reused, Residual, Dense)
METHOD_OPTIONS = {method: foveal.attribution.get_method(method).options for method in METHODS}
SIDES = {1: (8,), 2: (6, 6), 3: (4, 4, 4)}


def _x(axes=2, batch=2, channels=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *SIDES[axes], generator=generator, dtype=dtype)


def _maps(net, x, method, targets=("class:0", "class:1", "class:2"), layer="input", **options):
    return foveal.explain(net, x, method=method, targets=list(targets), layer=layer, options=options).maps


def _sent(net, x, rule, unit=1):
    """Relevance of a class in full precision: (B, C, *S)."""
    x = x.clone().requires_grad_()
    with Propagation(rule).override():
        output = net(x)
    (cotangent,) = torch.autograd.grad(output[:, unit].sum(), x)
    return x.detach() * cotangent, output.detach()[:, unit]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("rule", [rules.epsilon(0), rules.gamma(0.25)], ids=["zero", "gamma"])
def test_relevance_is_conserved_without_biases(kind, axes, rule):
    relevance, value = _sent(make(kind, axes).double(), _x(axes), rule)
    torch.testing.assert_close(relevance.flatten(1).sum(1), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [Plain, Functional, Reused])
@pytest.mark.parametrize("rule", [rules.z_plus, rules.excitation])
def test_relevance_of_one_sign_is_conserved_too(kind, rule):
    """An open neuron has positive contributions by nature; the unit is given some."""
    net = make(kind).double()
    (net.fc if kind is Reused else net.fc2).weight.data.abs_()
    relevance, value = _sent(net, _x(), rule)
    assert relevance.min() >= 0
    torch.testing.assert_close(relevance.flatten(1).sum(1), value, rtol=1e-9, atol=1e-9)


def test_biases_absorb_what_is_missing():
    """One neuron by hand: y = 2 * 3 + 4 = 10 is worth 10, of which the bias keeps 4; w^2 knows no bias."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 1))
    net[1].weight.data, net[1].bias.data = torch.tensor([[2.0]]), torch.tensor([4.0])
    net, x = net.eval(), torch.tensor([[[3.0]]])
    for method, expected in (("lrp-epsilon", 6.0), ("lrp-zplus", 6.0), ("lrp-gamma", 6.0), ("lrp", 10.0)):
        maps = _maps(net, x, method, ["class:0"])
        torch.testing.assert_close(maps, torch.tensor([[[expected]]]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", NETS)
def test_without_damping_it_is_input_times_gradient(kind, axes):
    net, x = make(kind, axes).double(), _x(axes)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    maps = _maps(net, x, "lrp-epsilon", ["class:0"], epsilon=0)
    torch.testing.assert_close(maps[:, 0], (x * gradient).sum(1).float(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_how_a_rectifier_is_called_does_not_matter(method):
    x = _x()
    plain = _maps(make(Plain, bias=True).double(), x, method)
    for net in (make(Functional, bias=True), make(Plain, bias=True, inplace=True)):
        torch.testing.assert_close(_maps(net.double(), x, method), plain)


def test_published_toy():
    """Two concatenated branches, from the tests of zennit-crp: [-11, 21], through (1, 4) and (5, 0)."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer1, self.layer2 = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.layer3 = nn.Linear(4, 1, bias=False)
            self.layer1.weight.data = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
            self.layer2.weight.data = torch.tensor([[2.0, 3.0], [0.0, 0.0]])
            self.layer3.weight.data = torch.tensor([[1.0, 4.0, 5.0, 0.0]])

        def forward(self, x):
            return self.layer3(torch.cat([self.layer1(x), self.layer2(x)], dim=1))

    relevance, value = _sent(Branches(), torch.tensor([[-1.0, 1.0]]), rules.epsilon(1e-6), unit=0)
    torch.testing.assert_close(relevance, torch.tensor([[-11.0, 21.0]]), rtol=1e-5, atol=0)
    torch.testing.assert_close(value, torch.tensor([10.0]))


@pytest.mark.parametrize("method", METHODS)
def test_batch_norm_counts_as_part_of_the_convolution(method):
    """As in the network whose norms were merged by hand, the sign of their scale included."""
    net = make(Normed).double()
    merged = copy.deepcopy(net)
    merged.conv1, merged.bn1 = fuse_conv_bn_eval(net.conv1, net.bn1), nn.Identity().eval()
    merged.conv2, merged.bn3 = fuse_conv_bn_eval(net.conv2, net.bn3), nn.Identity().eval()
    torch.testing.assert_close(_maps(net, _x(), method), _maps(merged, _x(), method), rtol=1e-4, atol=1e-6)


def test_explained_nodes_do_not_disturb_the_merging():
    net, x = make(Normed).double(), _x()
    alone = _maps(net, x, "lrp", ["class:0"])
    beside = _maps(net, x, "lrp", ["class:0", "conv1:1"])
    torch.testing.assert_close(beside[:, :1], alone)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [Residual, Normed, Gated, Transformer])
def test_units_and_samples_do_not_meet(kind, method):
    net, x = make(kind).double(), _x(batch=3)
    together = _maps(net, x, method)
    for unit in range(3):
        torch.testing.assert_close(_maps(net, x, method, [f"class:{unit}"])[:, 0], together[:, unit])
    for sample in range(3):
        torch.testing.assert_close(_maps(net, x[sample : sample + 1], method)[0], together[sample])


@pytest.mark.parametrize("kind", [Residual, Normed, Gated, Transformer])
def test_nothing_about_the_model_changes(kind):
    net = make(kind)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for method in METHODS:
        _maps(net, _x(dtype=torch.float32), method)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(parameter.grad is not None for parameter in net.parameters())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())


def test_frozen_and_trainable_models_agree():
    net, x = make(Gated).double(), _x()
    maps = _maps(net, x, "lrp")
    assert torch.equal(_maps(net.requires_grad_(False), x, "lrp"), maps)


class Greedy(nn.Module):
    """Changes in place what a convolution has read."""

    def __init__(self):
        super().__init__()
        self.stem, self.one = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.two, self.fc = nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        h = self.stem(x)
        one = self.one(h)
        return self.fc((one + self.two(h.relu_())).mean((2, 3)))


class Modest(Greedy):
    """The same, without haste."""

    def forward(self, x):
        h = self.stem(x)
        return self.fc((self.one(h) + self.two(h.relu())).mean((2, 3)))


@pytest.mark.parametrize("method", [*METHODS, "excitation", "contrastive-excitation", "deeplift"])
def test_input_that_is_changed_afterwards_does_not_matter(method):
    x = _x()
    maps = [_maps(make(kind).double(), x, method) for kind in (Greedy, Modest)]
    assert torch.equal(*maps)


@pytest.mark.parametrize("method", ["lrp", "contrastive-excitation", "deeplift"])
@pytest.mark.parametrize("kind", [Normed, Gated])
def test_threads_and_modes_of_the_caller_do_not_matter(kind, method):
    net, x = make(kind).double(), _x()
    expected = _maps(net, x, method)
    with torch.inference_mode():
        assert torch.equal(_maps(net, x, method), expected)
    with ThreadPoolExecutor(3) as threads:
        for maps in threads.map(lambda _: _maps(net, x, method), range(6)):
            assert torch.equal(maps, expected)


@pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2"])
def test_relevance_is_conserved_at_every_layer(layer):
    net, x = make(Plain).double(), _x()
    maps = _maps(net, x, "lrp-gamma", layer=layer)
    assert maps.shape[2:] == ((6, 6) if "1" in layer else (3, 3))
    torch.testing.assert_close(maps.flatten(2).sum(2), net(x).float(), rtol=1e-5, atol=1e-6)


def test_nodes_are_explained_as_classes_are():
    net, x = make(Plain).double(), _x()
    maps = _maps(net, x, "lrp-gamma", ["fc1:2", "conv2:1", "top"])
    h = net.relu2(net.conv2(nn.functional.max_pool2d(net.relu1(net.conv1(x)), 2)))
    values = [net.fc1(h.mean((2, 3)))[:, 2], net.conv2(nn.functional.max_pool2d(net.relu1(net.conv1(x)), 2))]
    torch.testing.assert_close(maps[:, 0].sum((1, 2)), values[0].float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        maps[:, 1].sum((1, 2)), values[1].mean((2, 3))[:, 1].float(), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(maps[:, 2].sum((1, 2)), net(x).amax(1).float(), rtol=1e-5, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(METHODS), st.integers(0, 1000))
def test_scaling_the_last_layer_scales_relevance(method, seed):
    net, x = make(Plain, seed=seed).double(), _x(seed=seed)
    options = {"epsilon": 0} if "epsilon" in METHOD_OPTIONS[method] else {}
    maps = _maps(net, x, method, **options)
    net.fc2.weight.data *= 4
    torch.testing.assert_close(_maps(net, x, method, **options), 4 * maps, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("lrp", {"gamma": -1}, "Option gamma=-1 is below 0. Give gamma a value from 0 up."),
        ("lrp-alpha-beta", {"alpha": 0.5}, "Option alpha=0.5 is below 1. Give alpha a value from 1 up."),
        ("lrp", {"conv": "gama"}, "Option conv='gama' is not known. Did you mean 'gamma'."),
        ("lrp", {"low": 0.0}, "Only one of the options low and high is given. Give both bounds, or none."),
        (
            "deep-taylor",
            {"first": "box"},
            "Option first='box' needs bounds. Give low and high, between which the model's input lies.",
        ),
        (
            "deep-taylor",
            {"low": 0.0, "high": 1.0},
            (
                "The input lies in [-1, 2], outside of low=0 and high=1. "
                "Give bounds of the input as the model takes it, after preprocessing."
            ),
        ),
    ],
)
def test_wrong_options_are_told(method, options, message):
    x = torch.linspace(-1, 2, 72).reshape(1, 2, 6, 6)
    with pytest.raises(UsageError) as caught:
        _maps(make(Plain), x, method, **options)
    assert str(caught.value) == message
