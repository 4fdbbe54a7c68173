"""Gradients read from a Linear's rows, against the product with the whole weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from foveal.capture.linear_rows import step_before
from foveal.capture.vjp import pull_back


def seeded(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def one_hot(batch, width, columns):
    rows = torch.zeros(len(columns), batch, width)
    for row, column in zip(rows, columns, strict=True):
        row[:, column] = 1
    return rows


WEIGHT = nn.Parameter(seeded((32, 4), 1))
BIAS = nn.Parameter(seeded((32,), 2))
LINEARS = {
    "linear": lambda x: nn.functional.linear(x, WEIGHT, BIAS),
    "frozen": lambda x: nn.functional.linear(x, WEIGHT.detach(), BIAS.detach()),
    "copied": lambda x: nn.functional.linear(x, WEIGHT, BIAS).clone(),
    "hardswish": lambda x: nn.functional.hardswish(nn.functional.linear(x, WEIGHT, BIAS)),
    "relu in place": lambda x: nn.functional.linear(x, WEIGHT, BIAS).relu_().clone(),
}
OTHERS = {
    "no linear": lambda x: torch.relu(x).repeat(1, 8),
    "scaled": lambda x: torch.addmm(BIAS.detach(), x, WEIGHT.detach().T, alpha=2),
    "bias from the input": lambda x: torch.addmm(x.repeat(1, 8), x, WEIGHT.detach().T),
    "softmax and more": lambda x: nn.functional.linear(x, WEIGHT).softmax(1) + x.mean(),
    "weight from the input": lambda x: torch.addmm(BIAS.detach(), x, WEIGHT.detach().T * x.mean()),
}


def compare(function, cotangents):
    leaf = seeded((3, 4)).requires_grad_()
    output = function(torch.tanh(leaf))
    ours = pull_back([(output, one) for one in cotangents], leaf)
    truth = [torch.autograd.grad(output, leaf, one, retain_graph=True)[0] for one in cotangents]
    torch.testing.assert_close(ours, torch.stack(truth))
    return step_before(output, cotangents)


@pytest.mark.parametrize("kind", LINEARS)
def test_few_outputs_read_their_rows(kind):
    start, moved = compare(LINEARS[kind], one_hot(3, 32, [5, 31]))
    assert not isinstance(start, torch.Tensor)
    assert moved.shape == (2, 3, 4)


@pytest.mark.parametrize("kind", OTHERS)
def test_anything_else_is_left_to_autograd(kind):
    start, _ = compare(OTHERS[kind], one_hot(3, 32, [5, 31]))
    assert isinstance(start, torch.Tensor)


def test_many_outputs_take_the_product():
    start, _ = compare(LINEARS["linear"], seeded((2, 3, 32)))
    assert isinstance(start, torch.Tensor)


def test_few_outputs_of_a_function_that_mixes_them_start_at_the_linear():
    start, moved = compare(lambda x: LINEARS["linear"](x).softmax(1), one_hot(3, 32, [5, 31]))
    assert not isinstance(start, torch.Tensor)
    assert moved.shape == (2, 3, 32)


def test_a_target_of_nothing_gives_zeros():
    compare(LINEARS["linear"], torch.zeros(1, 3, 32))


def test_a_linear_right_behind_the_average():
    leaf = seeded((2, 4, 3, 3)).requires_grad_()
    output = LINEARS["linear"](leaf.clone().mean((2, 3)))
    ours = pull_back([(output, one) for one in one_hot(2, 32, [7])], leaf)
    expected = (WEIGHT.detach()[7] / 9)[None, :, None, None].expand(2, 4, 3, 3)
    torch.testing.assert_close(ours[0], expected)
