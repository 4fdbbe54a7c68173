"""Gradients that stop at an average, against those that go on."""

from __future__ import annotations

import pytest
import torch
from small_nets import ResidualNet, seeded
from torch import nn

from foveal.capture import ClassTarget, NodeTarget, Tap
from foveal.capture.pooling import find_pool
from foveal.capture.vjp import pull_back


def graph(function, shape=(2, 4, 5, 3)):
    leaf = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return leaf, function(leaf.clone())


POOLED = {
    "adaptive": lambda y: nn.functional.adaptive_avg_pool2d(y, 1).flatten(1),
    "mean": lambda y: torch.tanh(y.mean((2, 3))),
    "mean of negative axes": lambda y: y.mean((-1, -2)) @ torch.ones(4, 2),
}
NOT_POOLED = {
    "part": lambda y: y.mean(3).flatten(1),
    "channels too": lambda y: y.mean((1, 2, 3))[:, None],
    "relu before": lambda y: torch.relu(y).mean((2, 3)),
    "used twice": lambda y: y.mean((2, 3)) + y[:, :, 0, 0],
    "two means": lambda y: y.mean((2, 3)) * y.mean((2, 3)),
    "nothing between": lambda y: y,
    "long": lambda y: [y := torch.tanh(y.mean((2, 3)))] and [y := y + 1 for _ in range(80)][-1],
}


@pytest.mark.parametrize("kind", POOLED)
def test_an_average_is_found_and_gradients_are_the_same(kind):
    leaf, output = graph(POOLED[kind])
    cotangents = torch.randn(3, *output.shape)
    ours = pull_back([(output, one) for one in cotangents], leaf)
    truth = [torch.autograd.grad(output, leaf, one, retain_graph=True)[0] for one in cotangents]
    assert find_pool([output], leaf) is not None
    torch.testing.assert_close(ours, torch.stack(truth))
    assert ours.stride()[-2:] == (0, 0)


@pytest.mark.parametrize("kind", NOT_POOLED)
def test_anything_else_is_not_taken_for_one(kind):
    leaf, output = graph(NOT_POOLED[kind])
    assert find_pool([output], leaf) is None


@pytest.mark.parametrize("shape", [(2, 4, 6), (2, 4, 3, 4, 2)])
def test_lines_and_volumes(shape):
    leaf, output = graph(lambda y: y.mean(tuple(range(2, y.ndim))), shape)
    ours = pull_back([(output, torch.ones_like(output))], leaf)
    torch.testing.assert_close(ours[0], torch.full(shape, 1 / torch.ones(shape)[0, 0].numel()))


def test_several_tensors_of_one_forward():
    x, net = torch.randn(2, 3, 32, 32), seeded(ResidualNet)
    with Tap(net, "layer3", ["pool"]) as tap:
        forward = tap.forward(x)
        targets = [NodeTarget("pool", 3), ClassTarget(1), NodeTarget("pool", torch.tensor([5, -1]))]
        together = forward.attribute(targets)
        single = torch.cat([forward.attribute([target]) for target in targets], 1)
    torch.testing.assert_close(together, single)
    assert not together[1, 2].any()
