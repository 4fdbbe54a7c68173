"""Feedback: networks whose gates are worked out by hand, and a twin with hooks."""

from __future__ import annotations

import pytest
import torch
from rectified_nets import Chain
from small_nets import SharedNet, seeded
from torch import nn

import foveal
from foveal.errors import UsageError

torch.set_num_threads(1)


class Formula(nn.Module):
    """A network written as a function of the sample (B, 1, n), one unit twice."""

    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def forward(self, x):
        return self.formula(*x.flatten(1).unbind(1))[:, None].expand(-1, 2)


def explain(formula, *sample, **options):
    net = Formula(formula).eval()
    x = torch.tensor(sample).reshape(1, 1, -1)
    options = {"channels": "sum", **options}
    return (
        foveal.explain(net, x, method="feedback", targets="class:0", options=options).maps.flatten().tolist()
    )


def test_shut_what_speaks_against():
    assert explain(lambda a, b: torch.relu(a) - torch.relu(b), 1.0, 1.0) == [1, 0]


def _wakes(a, b):
    a, b = torch.relu(a), torch.relu(b)
    return torch.relu(a - b) + 0.5 * a - b


def test_a_second_look_finds_what_was_held_down():
    """b holds relu(a - b) shut; once b is gone it opens, and a speaks through it too."""
    assert explain(_wakes, 1.0, 2.0, iterations=1) == [0.5, 0]
    assert explain(_wakes, 1.0, 2.0) == [1.5, 0]


def test_stops_before_the_score_falls():
    """Without a, relu(1 - a) wakes up and costs 5: the look before is kept."""
    formula = lambda a, b: torch.relu(b) - torch.relu(a) - 5 * torch.relu(1 - torch.relu(a))  # noqa: E731
    assert explain(formula, 2.0, 3.0) == explain(formula, 2.0, 3.0, iterations=1) == [0, 1]


def test_shared_modules_have_a_gate_for_every_call():
    relu = nn.ReLU()
    assert explain(lambda a, b: relu(a) - relu(b), 1.0, 1.0) == [1, 0]


def test_continuous_gates():
    """One step each, the largest by +-1: z = 1 - penalty - rate, and 1 - penalty + rate, cut at 1."""
    formula = lambda a, b: 2 * torch.relu(a) - torch.relu(b)  # noqa: E731 - one line says it
    options = {"gates": "continuous", "iterations": 1, "rate": 0.25, "penalty": 0.125}
    assert explain(formula, 1.0, 1.0, **options) == [2, -0.625]
    assert explain(formula, 1.0, 1.0, **{**options, "iterations": 9})[1] == 0


def _twin(net, x, unit, iterations):
    """Gates by hooks on each ReLU's own result; one sample, one unit, no early end."""
    gates, gradient = {}, None
    for _ in range(iterations):
        number, new = iter(range(100)), {}

        def rectify(h, number=number, new=new, gates=gates):
            call = next(number)
            gate = gates.get(call, torch.ones_like(h))
            out = (gate * h.clamp(min=0)).detach() + (h - h.detach()) * (h > 0)

            def settle(signal, call=call, new=new):
                new[call] = (signal > 0).to(signal)
                return signal * new[call]

            out.register_hook(settle)
            return out

        for module in net.modules():
            if isinstance(module, nn.ReLU):
                module.forward = rectify
        leaf = x.clone().requires_grad_()
        scores = net(leaf)[:, unit]
        (gradient,) = torch.autograd.grad(scores.sum(), leaf)
        gates = new
    for module in net.modules():
        module.__dict__.pop("forward", None)
    return gradient


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize(("net", "shape"), [(SharedNet, (1, 16, 16)), (Chain, (2, 8, 8))])
def test_equals_the_twin(iterations, net, shape):
    model = (seeded(Chain, 2, nn.ReLU()) if net is Chain else seeded(net)).double()
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = foveal.explain(
        model, x, method="feedback", targets=["class:0", "class:2"], options={"iterations": iterations}
    ).maps
    for position, unit in enumerate((0, 2)):
        expected = _twin(model, x, unit, iterations).abs().amax(1).float()
        torch.testing.assert_close(found[:, position], expected)


def test_the_first_look_is_guided_backprop():
    net = seeded(SharedNet)
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    options = {"channels": "sum", "iterations": 1}
    first = foveal.explain(net, x, method="feedback", targets="class:1", options=options).maps
    torch.testing.assert_close(
        first, foveal.explain(net, x, method="guided-backprop", targets="class:1").maps
    )


def test_a_network_that_differs_from_one_forward_to_the_next():
    sizes = iter(range(2, 99))

    class Restless(nn.Module):
        def forward(self, x):
            return -torch.relu(x.repeat(1, 1, next(sizes))).sum(2).expand(-1, 2)

    with pytest.raises(UsageError) as caught:
        foveal.explain(Restless().eval(), torch.ones(1, 1, 3), method="feedback", targets="class:0")
    message = str(caught.value)
    assert message.startswith("ReLU call 0 of the model has shape (1, 1, ")
    assert message.endswith("Choose a method that needs one forward, such as gradcam or guided-backprop.")
