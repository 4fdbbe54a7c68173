"""Each rule at each kind of linear operation: by hand, and against a twin that loops over every weight."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from foveal.attribution.propagation import rules
from foveal.attribution.propagation.engine import Propagation

torch.set_num_threads(1)


def _twin_epsilon(contributions, bias, y, epsilon):
    total = y + (epsilon if y >= 0 else -epsilon)
    return [one / total for one in contributions]


def _twin_gamma(contributions, bias, y, gamma):
    agrees = (lambda value: value > 0) if y > 0 else (lambda value: value < 0)
    weighted = [one * (1 + gamma * agrees(one)) for one in contributions]
    total = sum(weighted) + bias * (1 + gamma * agrees(bias))
    return [one / total for one in weighted]


def _twin_alpha_beta(contributions, bias, y, alpha):
    rises = sum(max(one, 0) for one in (*contributions, bias))
    falls = sum(min(one, 0) for one in (*contributions, bias))
    return [
        alpha * (max(one, 0) / rises if rises else 0) - (alpha - 1) * (min(one, 0) / falls if falls else 0)
        for one in contributions
    ]


def _twin_excitation(contributions, bias, y):
    return _twin_alpha_beta(contributions, 0.0, y, 1)


#: Rule, and its twin: contributions, bias and output of one neuron to the share of each input.
RULES = {
    "zero": (rules.epsilon(0), partial(_twin_epsilon, epsilon=0)),
    "epsilon": (rules.epsilon(0.1), partial(_twin_epsilon, epsilon=0.1)),
    "gamma": (rules.gamma(0.5), partial(_twin_gamma, gamma=0.5)),
    "alpha-beta": (rules.alpha_beta(2), partial(_twin_alpha_beta, alpha=2)),
    "z+": (rules.z_plus, partial(_twin_alpha_beta, alpha=1)),
    "excitation": (rules.excitation, _twin_excitation),
}


class Product(nn.Module):
    """A constant matrix, on one side or the other."""

    def __init__(self, *, left):
        super().__init__()
        self.left, self.matrix = left, nn.Parameter(torch.randn(3, 3))

    def forward(self, x):
        return self.matrix @ x if self.left else x @ self.matrix


def _norm(kind, channels):
    norm = kind(channels)
    for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
        tensor.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


#: Every form of linear operation, and an input's shape.
OPERATIONS = {
    "dense": (lambda: nn.Linear(5, 3), (2, 5)),
    "dense on tokens": (lambda: nn.Linear(5, 3), (2, 4, 5)),
    "no bias": (lambda: nn.Linear(5, 3, bias=False), (2, 5)),
    "1-D": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 2, 6)),
    "2-D": (lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 2, 4, 5)),
    "3-D": (lambda: nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
    "grouped": (lambda: nn.Conv2d(4, 6, 2, groups=2), (1, 4, 3, 3)),
    "depthwise": (lambda: nn.Conv2d(3, 3, 3, groups=3, padding="same"), (1, 3, 4, 4)),
    "even same": (lambda: nn.Conv2d(1, 2, 2, padding="same"), (2, 1, 3, 3)),
    "dilated": (lambda: nn.Conv2d(1, 2, 2, dilation=2), (2, 1, 5, 5)),
    "reflected": (lambda: nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular"), (2, 1, 5)),
    "one sample": (lambda: nn.Conv2d(2, 3, 2), (2, 3, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), (1, 4, 2, 2)),
    "transposed 1-D": (lambda: nn.ConvTranspose1d(2, 3, 3, output_padding=1, stride=2), (2, 2, 3)),
    "left": (partial(Product, left=True), (2, 3, 2)),
    "right": (partial(Product, left=False), (2, 3)),
    "norm": (lambda: _norm(nn.BatchNorm2d, 3), (2, 3, 2, 2)),
    "norm of nodes": (lambda: _norm(nn.BatchNorm1d, 3), (2, 3)),
    "merged": (lambda: nn.Sequential(nn.Conv2d(2, 3, 2, bias=False), _norm(nn.BatchNorm2d, 3)), (2, 2, 3, 3)),
    "merged 3-D": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2), _norm(nn.BatchNorm3d, 2)), (1, 1, 2, 3, 2)),
    "merged dense": (lambda: nn.Sequential(nn.Linear(4, 3), _norm(nn.BatchNorm1d, 3)), (2, 4)),
    "merged transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 2, groups=2), _norm(nn.BatchNorm2d, 6)),
        (1, 4, 2, 2),
    ),
}


def _share(module, rule, x, relevance):
    """Send relevance of the outputs to the inputs by the engine."""
    x = x.clone().requires_grad_()
    with Propagation(rule).override():
        y = module(x)
    (cotangent,) = torch.autograd.grad(y, x, relevance / y.detach())
    return x.detach() * cotangent, y.detach()


def _twin(module, twin, x, relevance):
    """The same by the operation's full matrix, neuron by neuron."""
    flat = x.flatten()
    with torch.no_grad():
        bias = module(torch.zeros_like(x)).flatten()
        columns = [
            module(one.reshape(x.shape)).flatten() - bias for one in torch.eye(len(flat), dtype=x.dtype)
        ]
    matrix = torch.stack(columns, 1)
    result = torch.zeros_like(flat)
    for j, row in enumerate(matrix):
        contributions = (row * flat).tolist()
        shares = twin(contributions, bias[j].item(), sum(contributions) + bias[j].item())
        result += relevance.flatten()[j] * torch.tensor(shares, dtype=x.dtype)
    return result.reshape(x.shape)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_rule_at_operation_is_its_twin(operation, rule):
    make, shape = OPERATIONS[operation]
    torch.manual_seed(0)
    module, x = make().double().eval(), torch.randn(shape, dtype=torch.float64)
    relevance = torch.randn_like(module(x))
    ours, y = _share(module, RULES[rule][0], x, relevance)
    torch.testing.assert_close(ours, _twin(module, RULES[rule][1], x, relevance), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(y, module(x).detach(), rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(RULES)), st.integers(0, 10_000), st.booleans())
def test_rule_is_its_twin_for_any_weights(rule, seed, positive):
    generator = torch.Generator().manual_seed(seed)
    module = nn.Linear(4, 3).double()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(1, 4, generator=generator, dtype=torch.float64)
    x = x.abs() if positive else x
    relevance = torch.randn(1, 3, generator=generator, dtype=torch.float64)
    ours, _ = _share(module, RULES[rule][0], x, relevance)
    torch.testing.assert_close(ours, _twin(module, RULES[rule][1], x, relevance), rtol=1e-6, atol=1e-8)


#: By hand: x = (1, 2), w = (3, -1), b = 0, so y = 1 with contributions 3 and -2; R = 1 at the output.
BY_HAND = {
    "zero": (3.0, -2.0),
    "epsilon": (3 / 1.1, -2 / 1.1),
    "gamma": (4.5 / 2.5, -2 / 2.5),
    "alpha-beta": (2.0, -1.0),
    "z+": (1.0, 0.0),
    "excitation": (1.0, 0.0),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_by_hand(rule):
    module = nn.Linear(2, 1, bias=False)
    module.weight.data = torch.tensor([[3.0, -1.0]])
    ours, _ = _share(module, RULES[rule][0], torch.tensor([[1.0, 2.0]]), torch.ones(1, 1))
    torch.testing.assert_close(ours, torch.tensor([BY_HAND[rule]]))


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"epsilon"}))
def test_rule_conserves_where_no_bias_absorbs(rule):
    torch.manual_seed(0)
    module = nn.Conv2d(2, 3, 3, bias=False).double()
    relevance = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    ours, _ = _share(module, RULES[rule][0], torch.randn(2, 2, 6, 6, dtype=torch.float64), relevance)
    torch.testing.assert_close(ours.sum((1, 2, 3)), relevance.sum((1, 2, 3)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_to_share_gives_no_relevance_and_no_nan(rule):
    module = nn.Linear(3, 2)
    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)
    x = torch.ones(1, 3, requires_grad=True)
    with Propagation(RULES[rule][0]).override():
        y = module(x)
    (cotangent,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert torch.equal(cotangent, torch.zeros(1, 3))


def test_weight_made_on_the_way_is_a_constant():
    """Weights that are computed, as by weight standardisation, are shared out by as they are."""
    torch.manual_seed(0)
    raw, x = nn.Parameter(torch.randn(2, 3)), torch.randn(1, 3)
    plain = nn.Linear(3, 2, bias=False)
    plain.weight.data = (raw / raw.norm()).detach()
    relevance = torch.ones(1, 2)
    ours, _ = _share(lambda x: F.linear(x, raw / raw.norm()), rules.z_plus, x, relevance)
    expected, _ = _share(plain, rules.z_plus, x, relevance)
    torch.testing.assert_close(ours, expected)
