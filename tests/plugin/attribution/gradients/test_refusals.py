"""ReLU methods refuse what they have no rule for, by name, and only where it matters."""

from __future__ import annotations

import pytest
import torch
from rectified_nets import Chain, Gated, Headed
from small_nets import seeded
from torch import nn

import foveal
from foveal.errors import UsageError

torch.set_num_threads(1)

REFUSING = (
    "guided-backprop",
    "desalinet",
    "deconvnet",
    "guided-gradcam",
    "saliency-activation",
    "feedback",
    "fgvis",
)

BENDING = {
    "gelu": nn.GELU(),
    "silu": nn.SiLU(inplace=True),
    "mish": nn.Mish(),
    "hardswish": nn.Hardswish(),
    "leaky_relu": nn.LeakyReLU(inplace=True),
    "prelu": nn.PReLU(),
    "rrelu": nn.RReLU(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "celu": nn.CELU(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "tanh": torch.tanh,
    "tanhshrink": nn.Tanhshrink(),
    "hardshrink": nn.Hardshrink(),
    "softshrink": nn.Softshrink(),
    "log_sigmoid": nn.LogSigmoid(),
    "sigmoid": torch.sigmoid,
    "hardsigmoid": nn.Hardsigmoid(),
    "softmax": nn.Softmax(1),
    "log_softmax": nn.LogSoftmax(1),
    "softmin": nn.Softmin(1),
    "hardtanh": nn.Hardtanh(),
    "clamp": lambda h: h.clamp(-1, 1),
    "threshold": nn.Threshold(0.1, 0),
}


def explain(method, net, targets="class:1", **options):
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    place = {"layer": "conv1"} if hasattr(net, "conv1") else {"layer": "conv"}
    settings = place if method in ("guided-gradcam", "saliency-activation") else {}
    return foveal.explain(net, x, method=method, targets=targets, options=options, **settings).maps


def refusal(method, operation):
    return (
        f"Method {method!r} has no rule for {operation}, which the model uses. "
        "Choose a method that takes any activation, such as gradcam or gradient."
    )


@pytest.mark.parametrize("operation", BENDING)
def test_each_nonlinearity_is_named(operation):
    with pytest.raises(UsageError) as caught:
        explain("guided-backprop", seeded(Chain, 2, BENDING[operation]))
    assert str(caught.value) == refusal("guided-backprop", operation)


@pytest.mark.parametrize("method", REFUSING)
@pytest.mark.parametrize("targets", ["class:1", ["class:1", "class:0"]])
def test_each_method_refuses(method, targets):
    """One unit or several at once."""
    net = seeded(Headed, nn.GELU())
    if method == "saliency-activation":
        net = seeded(Chain, 2, nn.GELU())
        with pytest.raises(UsageError) as caught:
            foveal.explain(net, torch.randn(2, 2, 8, 8), method=method, targets=targets, layer="conv2")
    else:
        with pytest.raises(UsageError) as caught:
            explain(method, net, targets)
    name = "guided-backprop" if method == "desalinet" else method
    assert str(caught.value) == refusal(name, "gelu")


def test_methods_that_do_without_rules():
    net = seeded(Chain, 2, nn.GELU())
    for method in ("gradient", "gradient-x-input", "smoothgrad"):
        assert explain(method, net).any()
    assert explain("fgvis", net, defence=False, iterations=5).any()
    assert explain("saliency-activation", net, variant="gradient").isfinite().all()


@pytest.mark.parametrize("head", [nn.GELU(), torch.sigmoid, nn.Softmax(1), nn.Tanh()])
@pytest.mark.parametrize("method", [name for name in REFUSING if "layer" not in name])
def test_what_follows_the_unit_does_not_matter(method, head):
    """A node before the operation is explained as if the operation were not there."""
    plain = explain(method, seeded(Headed, nn.Identity()), "fc1:2")
    assert torch.equal(explain(method, seeded(Headed, head), "fc1:2"), plain)


def _weighed_and_added(x, s):
    gate = torch.sigmoid(s)[..., None, None]
    return x * gate + gate.mean()


MISUSED = {
    "as an activation": lambda x, _s: torch.sigmoid(x),
    "silu written out": lambda x, _s: x * torch.sigmoid(x),
    "silu from the left": lambda x, _s: torch.sigmoid(x) * x,
    "added to": lambda x, s: x * (1 + torch.sigmoid(s)[..., None, None]),
    "both": lambda x, s: x * torch.sigmoid(s)[..., None, None] + torch.sigmoid(s)[..., None, None],
    "used again": _weighed_and_added,
    "overwritten": lambda x, s: torch.sigmoid(s)[..., None, None].expand_as(x).clone().mul_(x),
}


@pytest.mark.parametrize("use", MISUSED)
def test_sigmoids_that_are_no_gates(use):
    with pytest.raises(UsageError) as caught:
        explain("deconvnet", seeded(Gated, MISUSED[use]))
    assert str(caught.value) == refusal("deconvnet", "sigmoid")


class Recurrent(nn.Module):
    def __init__(self, attends):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.cell = (
            nn.MultiheadAttention(4, 2, batch_first=True) if attends else nn.GRU(4, 4, batch_first=True)
        )
        self.attends = attends
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        tokens = torch.relu(self.conv(x)).flatten(2).transpose(1, 2)
        tokens, _ = self.cell(tokens, tokens, tokens) if self.attends else self.cell(tokens)
        return self.fc(tokens[:, -1])


@pytest.mark.parametrize(("attends", "operation"), [(True, "multi_head_attention"), (False, "recurrent")])
def test_attention_and_recurrence(attends, operation):
    with pytest.raises(UsageError) as caught:
        explain("guided-backprop", seeded(Recurrent, attends))
    assert str(caught.value) == refusal("guided-backprop", operation)


@pytest.mark.parametrize("method", ["feedback", "fgvis"])
def test_units_that_do_not_depend_on_the_sample(method):
    class Deaf(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2)

    with pytest.raises(UsageError) as caught:
        explain(method, Deaf().eval())
    assert str(caught.value) == "The unit does not depend on the sample. Explain another unit."


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parts_in_torchscript():
    net = seeded(Headed, torch.jit.script(nn.Sequential(nn.ReLU())))
    for method in ("guided-backprop", "feedback"):
        with pytest.raises(UsageError) as caught:
            explain(method, net)
        assert str(caught.value) == (
            "Layer 'head' of the model is TorchScript and hides its operations. "
            "Give the eager model, or choose a method that leaves operations alone, such as gradcam."
        )
