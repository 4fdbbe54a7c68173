"""What every gradient method owes: shapes, independence of batch, thread and dtype, an untouched model."""

from __future__ import annotations

import copy
import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from rectified_nets import Chain
from small_nets import ResidualNet, SharedNet, seeded

import foveal
from foveal.attribution import get_method
from foveal.errors import UsageError

torch.set_num_threads(1)

#: Method -> options that keep it quick.
METHODS = {
    "gradient": {},
    "gradient-x-input": {},
    "smoothgrad": {"samples": 5},
    "guided-backprop": {},
    "desalinet": {},
    "deconvnet": {},
    "guided-gradcam": {},
    "saliency-activation": {},
    "feedback": {"iterations": 3},
    "fgvis": {"iterations": 4, "noise": 0.1},
}
TARGETS = ["top", "class:2", "fc1:3"]


def maps(method, model, x, targets=TARGETS, layer="auto", **settings):
    options = {**METHODS[method], **settings.pop("options", {})}
    chosen = "conv1" if layer == "auto" and get_method(method).place == "layer" else layer
    return foveal.explain(
        model, x, method=method, targets=targets, layer=chosen, options=options, **settings
    ).maps


def batch(*sides, count=3, dtype=torch.float32, channels=2):
    random = torch.Generator().manual_seed(len(sides))
    return torch.randn(count, channels, *sides, generator=random, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_any_number_of_axes(method, axes):
    found = maps(method, seeded(Chain, axes), batch(*[8] * axes))
    assert found.shape == (3, 3, *[8] * axes)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert found.isfinite().all()
    assert found.any()


@pytest.mark.parametrize("method", METHODS)
def test_samples_and_units_are_independent(method):
    """A sample's map is the same alone, in a batch, in any order, and whatever else is explained."""
    net, x = seeded(Chain).double(), batch(8, 8, dtype=torch.float64)
    together = maps(method, net, x)
    flipped = maps(method, net, x.flip(0)).flip(0)
    torch.testing.assert_close(flipped, together)
    for index in range(3):
        torch.testing.assert_close(maps(method, net, x[index : index + 1])[0], together[index])
        torch.testing.assert_close(maps(method, net, x, TARGETS[index])[:, 0], together[:, index])


@pytest.mark.parametrize("method", ["smoothgrad", "feedback", "fgvis"])
def test_the_size_of_forwards_does_not_show(method, monkeypatch):
    net, x = seeded(Chain).double(), batch(8, 8, dtype=torch.float64)
    together = maps(method, net, x)
    for module in ("passes", "smoothgrad"):
        monkeypatch.setattr(f"foveal.attribution.gradients.{module}.ROWS", 1)
    torch.testing.assert_close(maps(method, net, x), together)


@pytest.mark.parametrize("method", METHODS)
def test_precision_does_not_show(method):
    """By norm: in single precision a ReLU may open that was shut."""
    net, x = seeded(Chain), batch(8, 8)
    single, double = maps(method, net, x), maps(method, copy.deepcopy(net).double(), x.double())
    assert (single - double).norm() < 1e-3 * double.norm()


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method):
    net, x = seeded(SharedNet, True), batch(16, 16, channels=1)
    for parameter in net.fc2.parameters():
        parameter.requires_grad_(False)
    net.fc1.weight.grad = torch.ones_like(net.fc1.weight)
    before, expected, kept = copy.deepcopy(net), net(x).detach(), x.clone()
    maps(method, net, x)
    assert torch.equal(x, kept)
    assert torch.equal(net(x), expected)
    for (name, ours), theirs in zip(net.named_parameters(), before.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
        assert ours.requires_grad == theirs.requires_grad
        assert (ours.grad is None) == (name != "fc1.weight")
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("method", METHODS)
def test_the_caller_s_gradient_mode_does_not_show(method):
    net, x = seeded(Chain), batch(8, 8)
    plain = maps(method, net, x)
    with torch.no_grad():
        assert torch.equal(maps(method, net, x), plain)
    with torch.inference_mode():
        assert torch.equal(maps(method, net, x.clone()), plain)


@pytest.mark.parametrize("method", METHODS)
def test_threads_on_one_model(method):
    """Two threads, several calls each, every other by another method: bit for bit what one thread gives."""
    net, x = seeded(ResidualNet), batch(16, 16, channels=3, count=2)
    work = [method, "gradient", method, "deconvnet"] * 2
    alone = {name: maps(name, net, x, "class:1", layer=_layer(name)) for name in set(work)}
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda name: maps(name, net, x, "class:1", layer=_layer(name)), work)
        assert all(torch.equal(ours, alone[name]) for name, ours in zip(work, found, strict=True))


def _layer(method):
    return "layer2" if get_method(method).place == "layer" else "input"


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_held_afterwards(method):
    """No tensor outlives the call, not even in a cycle that waits to be collected."""
    net, x = seeded(Chain), batch(8, 8)
    maps(method, net, x)
    gc.collect()
    gc.disable()
    try:
        before = _tensors()
        maps(method, net, x)
        assert _tensors() <= before
    finally:
        gc.enable()


def _tensors():
    return sum(type(one) is torch.Tensor for one in gc.get_objects())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_describes_itself(method):
    entry = get_method(method)
    assert entry.source
    assert entry.formula.startswith("M = ")
    assert set(METHODS[method]) <= set(entry.options)
    documented = entry.attribute.__doc__
    assert all(option in documented for option in entry.options)


CHANNELS = [name for name in METHODS if "channels" in get_method(name).options]


@pytest.mark.parametrize("method", CHANNELS)
def test_unknown_reduction(method):
    with pytest.raises(UsageError) as caught:
        maps(method, seeded(Chain), batch(8, 8), options={"channels": "maxx"})
    assert str(caught.value) == "Option 'channels' is 'maxx'. Did you mean 'max'."


@pytest.mark.parametrize(
    ("method", "option", "value", "message"),
    [
        ("smoothgrad", "samples", 0, "Option 'samples' is 0. Give 1 or more."),
        ("smoothgrad", "spread", -0.1, "Option 'spread' is -0.1. Give 0 or more."),
        ("smoothgrad", "average", "mena", "Option 'average' is 'mena'. Did you mean 'mean'."),
        ("feedback", "iterations", 0, "Option 'iterations' is 0. Give 1 or more."),
        ("feedback", "gates", "continous", "Option 'gates' is 'continous'. Did you mean 'continuous'."),
        ("fgvis", "game", "delete", "Option 'game' is 'delete'. Did you mean 'deletion'."),
        ("fgvis", "rate", 2.0, "Option 'rate' is 2.0. Give 0 to 1."),
        ("fgvis", "until", float("nan"), "Option 'until' is nan. Give 0 to 1."),
        (
            "saliency-activation",
            "variant",
            "guide",
            "Option 'variant' is 'guide'. Did you mean 'guided' or 'gradient'.",
        ),
    ],
)
def test_options_out_of_range(method, option, value, message):
    with pytest.raises(UsageError) as caught:
        maps(method, seeded(Chain), batch(8, 8), options={option: value})
    assert str(caught.value) == message
