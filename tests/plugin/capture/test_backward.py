"""The engine called directly, against ``torch.autograd.grad``, and what that saves a worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_nets import ResidualNet
from torch.autograd.graph import GradientEdge, get_gradient_edge

from foveal.capture import backward, choose_layer, choose_node_layer
from foveal.capture.backward import differentiate
from foveal.errors import UsageError


def through_grad(starts, goal, cotangents):
    """The naive twin: one ``torch.autograd.grad`` for each cotangent."""
    rows = zip(*cotangents, strict=True)
    return torch.stack([torch.autograd.grad(starts, goal, row, retain_graph=True)[0] for row in rows])


def drawn(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Unbatchable(torch.autograd.Function):
    """Twice its input, by a backward that no batch of cotangents gets through."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, cotangent):
        return 2 * torch.from_numpy(cotangent.numpy())


def places(seed):
    """A leaf, what comes out at two ends of a small graph, and a place in its middle."""
    leaf = drawn((2, 3), seed).requires_grad_()
    middle = leaf.exp()
    return leaf, [middle @ drawn((3, 4), seed + 1), middle.sum(1, keepdim=True).sin()], middle


@pytest.fixture(params=["the engine", "grad"])
def route(request, monkeypatch):
    """A torch whose engine is where it was, and one that keeps it elsewhere."""
    if request.param == "grad":
        monkeypatch.setattr(backward, "_engine_run_backward", None)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("edges", [False, True])
def test_gradients_are_those_of_grad(count, seed, edges):
    leaf, ends, middle = places(seed)
    cotangents = [drawn((count, *end.shape), seed + 2) for end in ends]
    starts = [get_gradient_edge(end) for end in ends] if edges else ends
    for goal in (leaf, get_gradient_edge(middle) if edges else middle):
        found = differentiate(starts, goal, cotangents)
        assert found.shape == (count, 2, 3)
        assert not found.requires_grad
        assert torch.allclose(found, through_grad(starts, goal, cotangents), rtol=1e-5)


def test_by_hand():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x**2
    found = differentiate([y], x, [torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 10.0]])])
    assert found.tolist() == [[2, 0], [0, 4], [2, 40]]
    assert isinstance(get_gradient_edge(y), GradientEdge)
    assert differentiate([get_gradient_edge(y)], x, [torch.ones(1, 2)]).tolist() == [[2, 4]]


@pytest.mark.usefixtures("route")
def test_what_cannot_be_batched_goes_one_by_one():
    x = torch.ones(2, requires_grad=True)
    y = Unbatchable.apply(x)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(y, x, torch.eye(2), retain_graph=True, is_grads_batched=True)
    assert differentiate([y], x, [torch.eye(2)]).tolist() == [[2, 0], [0, 2]]


@pytest.mark.parametrize("count", [1, 3])
def test_a_goal_that_leads_nowhere_is_told(count):
    x, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    with pytest.raises(UsageError) as caught:
        differentiate([x * 2], other, [torch.ones(count, 2)])
    assert str(caught.value) == (
        "The map's layer does not lead to the target. Choose another --layer for the map."
    )


def test_layers_are_chosen_as_with_grad(monkeypatch):
    model, x = ResidualNet().eval(), drawn((1, 3, 32, 32), 0)
    ours = choose_layer(model, x), choose_node_layer(model, x)
    calls = []

    def gradient(starts, goal, cotangents, *, batched):
        calls.append(batched)
        options = {"retain_graph": True, "is_grads_batched": batched}
        return torch.autograd.grad(starts, goal, cotangents, **options)[0].detach()

    monkeypatch.setattr(backward, "_gradient", gradient)
    assert (choose_layer(model, x), choose_node_layer(model, x)) == ours
    assert calls


NETWORKS = Path(__file__).parents[2] / "networks"
#: All that a worker does with gradients, in a process of its own; whether it brought SymPy along.
WATCHING = """
import sys
import torch
from small_nets import PatentNet
from foveal.capture import ClassTarget, Tap
from foveal.config import FovealConfig
from foveal.observer import Observer

assert "sympy" not in sys.modules, "torch brings it along itself"
model, x = PatentNet().eval(), torch.ones(1, 1, 96, 96)
with Observer(model, None, FovealConfig(), "0" * 64, x) as observer:
    observer.forward(x)
    layer = observer.layer
with Tap(model, layer) as tap:
    assert tap.forward(x).attribute([ClassTarget(0), ClassTarget(1)]).shape[1] == 2
print("sympy" in sys.modules)
y = torch.ones(2, requires_grad=True)
torch.autograd.grad(2 * y, y, torch.ones(2))
print("sympy" in sys.modules)
"""


def test_a_watch_brings_no_symbolic_algebra():
    """25 MB and a second of every worker; the last line shows whose doing that would be."""
    code = f"import sys; sys.path.append({str(NETWORKS)!r})\n{WATCHING}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
