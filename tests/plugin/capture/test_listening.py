"""Looking on at forwards that somebody else makes."""

from __future__ import annotations

import threading
from collections import OrderedDict

import pytest
import torch
from small_nets import ResidualNet, seeded
from torch import nn

from foveal.capture import ClassTarget, Tap, TopClass, listening


class Ear:
    """Collects what was heard and what failed."""

    def __init__(self):
        self.forwards, self.faults = [], []


@pytest.fixture
def net():
    return seeded(ResidualNet)


@pytest.fixture
def x():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tapped(net, x):
    with Tap(
        net,
        "layer2"
        if hasattr(net, "layer2")
        else [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d)][-1],
    ) as tap:
        tap.calibrate(x)
        yield tap


def listen(tap, wanted=lambda: True):
    ear = Ear()
    return ear, listening(tap, ear.forwards.append, ear.faults.append, wanted)


MODES = {
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "grad": torch.enable_grad,
}


@pytest.mark.parametrize("mode", MODES)
def test_the_caller_gets_his_own_output_and_we_the_maps(tapped, net, x, mode):
    with MODES[mode]():
        bare = net(x).detach()
        ear, watch = listen(tapped)
        with watch:
            heard = net(x)
    assert torch.equal(heard.detach(), bare)
    assert not heard.requires_grad
    (forward,) = ear.forwards
    truth = tapped.forward(x).attribute([TopClass(), ClassTarget(1)])
    assert torch.equal(forward.attribute([TopClass(), ClassTarget(1)]), truth)
    assert not ear.faults


def test_the_model_is_as_it_was_afterwards(tapped, net, x):
    before = dict(vars(net))
    _, watch = listen(tapped)
    with watch:
        assert "forward" in vars(net)
    assert vars(net) == before


def test_a_forward_of_the_users_own_is_put_back(tapped, net, x):
    own = net.forward
    net.forward = lambda x: own(x) * 2
    theirs = net.forward
    ear, watch = listen(tapped)
    with watch, torch.no_grad():
        doubled = net(x)
    assert net.forward is theirs
    assert torch.equal(doubled, own(x).detach() * 2)
    assert torch.equal(ear.forwards[0].output, doubled)


def test_nothing_is_heard_that_is_not_wanted(tapped, net, x):
    ear, watch = listen(tapped, wanted=lambda: False)
    with watch:
        net(x)
    assert ear.forwards == ear.faults == []


def test_an_explainer_of_the_users_own_keeps_its_gradients(tapped, net, x):
    ear, watch = listen(tapped)
    asked = x.clone().requires_grad_()
    with watch:
        (gradient,) = torch.autograd.grad(net(asked)[:, 0].sum(), asked)
    (truth,) = torch.autograd.grad(net(asked)[:, 0].sum(), asked)
    assert torch.equal(gradient, truth)
    assert ear.forwards == []


def test_training_mode_is_left_alone(tapped, net, x):
    ear, watch = listen(tapped)
    net.train()
    with watch:
        assert net(x).requires_grad
    assert ear.forwards == ear.faults == []


def test_a_fault_of_ours_costs_nobody_the_answer(tapped, net, x, monkeypatch):
    bare = net(x).detach()
    monkeypatch.setattr(Tap, "overhear", lambda *_: 1 / 0)
    ear, watch = listen(tapped)
    with watch, torch.no_grad():
        assert torch.equal(net(x), bare)
    assert [type(fault) for fault in ear.faults] == [ZeroDivisionError]


def test_a_fault_of_the_listener_costs_nobody_the_answer(tapped, net, x):
    bare, faults = net(x).detach(), []
    with listening(tapped, lambda forward: 1 / 0, faults.append), torch.no_grad():
        assert torch.equal(net(x), bare)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


def test_the_models_own_fault_is_the_callers(tapped, net):
    ear, watch = listen(tapped)
    with watch, pytest.raises(RuntimeError):
        net(torch.zeros(1, 5, 16, 16))
    assert ear.forwards == ear.faults == []


def test_forwards_of_two_threads_are_heard_apart(tapped, net, x):
    ear, watch = listen(tapped)
    batches = [torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(20)]
    truth = [net(batch).detach() for batch in batches]
    found = {}

    def work(numbers):
        with torch.inference_mode():
            found.update({number: net(batches[number]) for number in numbers})

    with watch:
        threads = [threading.Thread(target=work, args=(range(start, 20, 2),)) for start in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(torch.equal(found[number], truth[number]) for number in range(20))
    heard = {forward.output.sum().item() for forward in ear.forwards}
    assert heard == {one.sum().item() for one in truth}


class Named(nn.Module):
    """Gives its scores and more, nested."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x, *, scale=1.0):
        features = torch.relu(self.conv(x))
        return OrderedDict(logits=self.head(features.mean((2, 3))) * scale, more=[{"features": features * 2}])


def test_nested_outputs_come_without_a_graph(x):
    net = seeded(Named)
    with Tap(net, "conv") as tap:
        tap.calibrate(x)
        ear, watch = listen(tap)
        with watch, torch.no_grad():
            heard = net(x, scale=2.0)
            bare = Named.forward(net, x, scale=2.0)
    assert type(heard) is OrderedDict
    assert not heard["more"][0]["features"].requires_grad
    assert torch.equal(heard["more"][0]["features"], bare["more"][0]["features"])
    assert torch.equal(ear.forwards[0].output, bare["logits"])
