"""TorchScript networks, cut in two, against the eager ones they were made of."""

from __future__ import annotations

import warnings

import pytest
import torch
from small_nets import PatentNet, ResidualNet, seeded
from torch import nn

from foveal.capture import ClassTarget, NodeTarget, ScriptedTap, Tap, TopClass, listening
from foveal.capture.scripted import SCRIPTED_LAYER, Cut
from foveal.config import FovealConfig, Rule
from foveal.errors import UsageError
from foveal.observer import Observer, Seen

LAYERS = {ResidualNet: ("layer3", (2, 3, 32, 32)), PatentNet: ("features.13", (2, 1, 96, 96))}
MAKE = {
    "traced": torch.jit.trace,
    "scripted": lambda net, x: torch.jit.script(net),
    "frozen": lambda net, x: torch.jit.freeze(torch.jit.script(net), optimize_numerics=False),
}

CONFIG = FovealConfig(rule=Rule("nonzero"))


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def batch(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("make", LAYERS)
def test_scores_and_maps_are_those_of_the_eager_network(make, kind):
    layer, shape = LAYERS[make]
    net, x = seeded(make), batch(shape)
    tap = ScriptedTap(MAKE[kind](net, x), x)
    forward = tap.forward(x)
    assert tap.calibrate(x)
    assert torch.equal(forward.output, MAKE[kind](net, x)(x))
    with Tap(net, layer, [layer]) as eager:
        truth = eager.forward(x)
        assert forward.activations.shape == truth.activations.shape
        torch.testing.assert_close(forward.activations, truth.activations)
        targets = [TopClass(), ClassTarget(1)]
        torch.testing.assert_close(forward.attribute(targets), truth.attribute(targets), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            forward.attribute([NodeTarget(SCRIPTED_LAYER, 3)]), truth.attribute([NodeTarget(layer, 3)])
        )
        torch.testing.assert_close(forward.nodes[SCRIPTED_LAYER], truth.nodes[layer])


def test_another_batch_size_and_inference_mode():
    net = seeded(ResidualNet)
    tap = ScriptedTap(torch.jit.trace(net, batch((2, 3, 32, 32))), batch((2, 3, 32, 32)))
    with torch.inference_mode():
        x = batch((5, 3, 32, 32))
        forward = tap.forward(x)
        assert forward.attribute([TopClass()]).shape[:2] == (5, 1)
    torch.testing.assert_close(forward.output, net(x.clone()).detach())


def test_looking_on_at_a_handlers_own_calls():
    net, x = seeded(ResidualNet), batch((2, 3, 32, 32))
    scripted = torch.jit.script(net)
    bare = scripted(x).detach()
    tap, forwards, faults = ScriptedTap(scripted, x), [], []
    with listening(tap, forwards.append, faults.append), torch.inference_mode():
        assert torch.equal(scripted(x), bare)
    assert len(forwards) == 1
    assert faults == []
    assert torch.equal(scripted(x).detach(), bare)


def test_where_the_cut_rounds_differently_the_network_answers_itself(monkeypatch):
    scripted, x = torch.jit.script(seeded(ResidualNet)), batch((2, 3, 32, 32))
    bare, tap, forwards = scripted(x).detach(), ScriptedTap(scripted, x), []
    whole = tap._cut.whole
    rounded = Cut(lambda x: (whole(x)[0] + 1e-3, whole(x)[1]), tap._cut.suffix)
    monkeypatch.setattr(tap, "_cut", rounded)
    assert not tap.calibrate(x)
    with listening(tap, forwards.append, pytest.fail), torch.no_grad():
        assert torch.equal(scripted(x), bare)
    assert len(forwards) == 1


def test_an_observer_takes_it_as_it_takes_an_eager_one():
    net, x = seeded(ResidualNet), batch((2, 3, 32, 32))
    image = (x[0].permute(1, 2, 0).numpy() * 40 + 128).clip(0, 255).astype("uint8")
    seen = [Seen(f"r{row}", row, image, "production", "2026-03-01T12:00:00Z", "k") for row in range(2)]
    with Observer(torch.jit.script(net), None, CONFIG, "m" * 64, x) as watch:
        output, ours = watch.observe(seen, x)
    with Observer(net, None, CONFIG, "m" * 64, x) as watch:
        _, theirs = watch.observe(seen, x)
    assert torch.equal(output, net(x).detach())
    assert ours[0].entries
    for one, other in zip(ours, theirs, strict=True):
        assert [entry.window for entry in one.entries] == [entry.window for entry in other.entries]
        assert {entry.layer for entry in one.entries} == {SCRIPTED_LAYER}


def test_layers_it_does_not_have_are_refused():
    scripted, x = torch.jit.script(seeded(ResidualNet)), batch((1, 3, 32, 32))
    for config in (FovealConfig(layer="layer3"), FovealConfig(features=("layer3",))):
        with pytest.raises(UsageError) as caught:
            Observer(scripted, None, config, "m" * 64, x)
        assert str(caught.value) == (
            "The model is TorchScript, which has no layer 'layer3'. "
            "Leave layer and features at 'auto', or name 'script.activations' or classes."
        )


class Flat(nn.Module):
    """Has no positions anywhere."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(48, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Skipping(nn.Module):
    """Looks at its input again behind all convolutions."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3))) + x.mean((2, 3))


class Pair(nn.Module):
    """Takes two tensors."""

    def forward(self, x, y):
        return (x + y).mean((2, 3))


@pytest.mark.parametrize("make", [Flat, Skipping])
def test_a_network_that_cannot_be_cut_is_refused(make):
    x = batch((1, 3, 4, 4))
    with pytest.raises(UsageError, match="no activations with positions through which everything passes"):
        ScriptedTap(torch.jit.script(make().eval()), x)


def test_a_network_of_several_inputs_is_refused():
    with pytest.raises(UsageError, match="takes or gives more than one tensor"):
        ScriptedTap(torch.jit.script(Pair().eval()), batch((1, 3, 4, 4)))
