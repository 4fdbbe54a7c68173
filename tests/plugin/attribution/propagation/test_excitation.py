"""Excitation backprop: probabilities of a walk, by hand, by z+, and by enumerating every walk."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from propagated_nets import Dense, Functional, Normed, Plain, Residual, Reused, make
from torch import nn

import foveal
from foveal.attribution.propagation.contrast import find_heads
from foveal.capture import Tap, TappedSubject, parse_target

torch.set_num_threads(1)
TARGETS = ("class:0", "class:1", "class:2")


def _x(axes=2, batch=2, dtype=torch.float64):
    return torch.rand(batch, 2, *[6] * axes, generator=torch.Generator().manual_seed(0), dtype=dtype)


def _maps(net, x, method="excitation", targets=TARGETS, layer="input"):
    return foveal.explain(net, x, method=method, targets=list(targets), layer=layer).maps


def _dense(*weights):
    layers = [nn.Flatten()]
    for weight in weights:
        layers += [nn.Linear(len(weight[0]), len(weight), bias=False), nn.ReLU()]
        layers[-2].weight.data = torch.tensor(weight)
    return nn.Sequential(*layers[:-1]).eval()


def test_by_hand():
    """a = (2, 1) through ((1, 1), (2, -1)) to h = (3, 3), through (1, 2) to the unit."""
    net = _dense([[1.0, 1.0], [2.0, -1.0]], [[1.0, 2.0]])
    x = torch.tensor([[[2.0, 1.0]]])
    # From the unit to h by 3 : 6; from h1 to a by 2 : 1, from h2 to a1 alone.
    torch.testing.assert_close(
        _maps(net, x, targets=["class:0"]), torch.tensor([[[1 / 3 * 2 / 3 + 2 / 3, 1 / 9]]])
    )


def test_contrast_by_hand():
    """At the head w = (1, -2): the unit walks to h1 and on by 2 : 1, its opposite to h2 and to a1 alone."""
    net = _dense([[1.0, 1.0], [2.0, -1.0]], [[1.0, -2.0]])
    x = torch.tensor([[[2.0, 1.0]]])
    maps = _maps(net, x, "contrastive-excitation", ["class:0"])
    torch.testing.assert_close(maps, torch.tensor([[[0.0, 1 / 3]]]))


def test_contrast_takes_off_what_both_share():
    """Weights (1, 1, -1) on equal h: the unit goes half to each of two, the opposite to the third."""
    weight = [[3.0, 1.0, -1.0], [1.0, 3.0, -5.0]]
    net, x = _dense(weight), torch.tensor([[[1.0, 1.0, 1.0]]])
    torch.testing.assert_close(
        _maps(net, x, "contrastive-excitation", ["class:0", "class:1"]),
        torch.tensor([[[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]]]),
    )


def _walk(net, x, unit):
    """Probability of ending at each input: the product of transition matrices."""
    weights = [layer.weight.detach() for layer in net if isinstance(layer, nn.Linear)]
    values = [x]
    for weight in weights[:-1]:
        values.append((weight @ values[-1]).clamp(min=0))
    steps = []
    for weight, value in zip(weights, values, strict=True):
        excited = weight.clamp(min=0) * value
        total = excited.sum(1, keepdim=True)
        steps.append(torch.where(total > 0, excited / total.clamp(min=1e-30), 0))
    at = torch.zeros(len(weights[-1]))
    at[unit] = 1
    for step in reversed(steps):
        at = at @ step
    return at


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_it_is_the_walk(seed, depth):
    torch.manual_seed(seed)
    widths = [4, *[5] * (depth - 1), 3]
    net = _dense(*(torch.randn(after, before).tolist() for before, after in pairwise(widths)))
    x = torch.rand(1, 1, 4)
    maps = _maps(net, x)
    for unit in range(3):
        expected = _walk(net, x.flatten(), unit)
        total = expected.sum()
        torch.testing.assert_close(
            maps[0, unit], expected / total if total > 0 else expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", [Plain, Functional, Reused, Residual, Dense])
def test_probabilities_on_every_network(kind, axes):
    maps = _maps(make(kind, axes, bias=True).double(), _x(axes))
    assert maps.min() >= 0
    totals = maps.flatten(2).sum(2)
    torch.testing.assert_close(totals, (totals > 0.5).float(), rtol=1e-5, atol=1e-6)
    assert (totals > 0.5).any()


@pytest.mark.parametrize("kind", [Plain, Reused])
def test_without_biases_it_is_z_plus_by_its_sum(kind):
    net, x = make(kind).double(), _x()
    excited = foveal.explain(net, x, method="lrp-zplus", targets=["top"], layer="input").maps
    maps = _maps(net, x, targets=["top"])
    torch.testing.assert_close(maps, excited / excited.sum((2, 3), keepdim=True), rtol=1e-4, atol=1e-7)


def test_probabilities_at_a_layer():
    net, x = make(Plain, bias=True).double(), _x()
    maps = _maps(net, x, targets=["top"], layer="relu2")
    assert maps.shape == (2, 1, 3, 3)
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(2, 1))


@pytest.mark.parametrize("method", ["excitation", "contrastive-excitation"])
@pytest.mark.parametrize("kind", [Residual, Normed])
def test_units_and_samples_do_not_meet(kind, method):
    net, x = make(kind).double(), _x(batch=3)
    together = _maps(net, x, method)
    for unit, target in enumerate(TARGETS):
        torch.testing.assert_close(_maps(net, x, method, [target])[:, 0], together[:, unit])
    for sample in range(3):
        torch.testing.assert_close(_maps(net, x[sample : sample + 1], method)[0], together[sample])


def _heads(net, x, targets):
    parsed = [parse_target(target) for target in targets]
    with Tap(net, None, [one.layer for one in parsed if one.layer != "class"]) as tap:
        return [sorted(head) for head in find_heads(TappedSubject(tap, x, parsed))]


def test_heads_are_the_last_linear_operations():
    assert _heads(make(Plain), _x(dtype=torch.float32), ["class:1", "fc1:2", "conv2:0"]) == [[3], [2], [1]]
    # A convolution counts by itself, and again merged with the norm behind it.
    assert _heads(make(Normed), _x(dtype=torch.float32), ["class:0", "bn1:1", "conv1:1"]) == [[5], [1], [0]]


def test_units_of_several_heads_are_explained_at_once():
    net, x = make(Plain).double(), _x()
    together = _maps(net, x, "contrastive-excitation", ["class:1", "fc1:2", "conv2:0"])
    for unit, target in enumerate(["class:1", "fc1:2", "conv2:0"]):
        torch.testing.assert_close(_maps(net, x, "contrastive-excitation", [target])[:, 0], together[:, unit])


def test_contrast_tells_classes_apart():
    """Two classes that share most evidence: the contrast overlaps less."""
    net = _dense([[1.0, 0.2, 1.0], [0.2, 1.0, 1.0], [1.0, 1.0, 0.1]], [[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5]])
    x = torch.ones(1, 1, 3)
    plain, contrast = _maps(net, x, targets=TARGETS[:2]), _maps(net, x, "contrastive-excitation", TARGETS[:2])

    def overlap(maps):
        return torch.cosine_similarity(maps[0, 0], maps[0, 1], dim=0)

    assert overlap(contrast) < overlap(plain)
    assert contrast.min() >= 0
