"""Guided backpropagation and deconvnet: by hand, by captum where captum is right, and by a naive twin."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from captum.attr import Deconvolution, GuidedBackprop
from rectified_nets import Chain, Gated, OneConv, Weighted
from small_nets import PatentNet, ResidualNet, SharedNet, seeded
from torch import nn

import foveal

torch.set_num_threads(1)


def maps(model, x, method, targets="class:0", **options):
    return foveal.explain(model, x, method=method, targets=targets, options=options).maps


def toy(weights, sample, rectify, method):
    net, x = Weighted(weights, rectify).eval(), torch.tensor([[sample]])
    return maps(net, x, method).flatten().tolist()


def _naive_guided(h):
    """Guide by a hook on the ReLU's own result."""
    out = h * (h > 0)
    if out.requires_grad:
        out.register_hook(lambda signal: signal.clamp(min=0))
    return out


def _naive_deconvnet(h):
    out = h + (h.clamp(min=0) - h).detach()
    if out.requires_grad:
        out.register_hook(lambda signal: signal.clamp(min=0))
    return out


NAIVE = {"guided-backprop": _naive_guided, "deconvnet": _naive_deconvnet}


def twin(model, x, method, unit, monkeypatch):
    """Sum over channels of the gradient, ReLU replaced by hand everywhere torch offers it."""
    with monkeypatch.context() as patched:
        for home, name in ((torch, "relu"), (torch, "relu_"), (F, "relu")):
            patched.setattr(home, name, lambda h, *_, **__: NAIVE[method](h))
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(model(leaf)[:, unit].sum(), leaf)[0].sum(1)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(
    ("method", "x", "expected"),
    [
        ("guided-backprop", torch.arange(16.0), [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]),
        ("deconvnet", torch.arange(16.0), [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]),
    ],
)
def test_published_values_of_captum(method, x, expected, inplace):
    found = maps(OneConv(inplace).eval(), x.reshape(1, 1, 4, 4), method, ["fc1:0", "class:0"])
    assert found[0].tolist() == [expected, expected]


def test_other_consumers_of_the_input_are_not_touched():
    """y = (relu(h) + h) W: the rule is the ReLU's own affair; captum clips what comes through `+ h` too."""
    both = lambda h: torch.relu(h) + h  # noqa: E731 - one line says it
    assert toy([-2.0, 1.0], [1.0, -1.0], both, "guided-backprop") == [-2, 1]
    assert toy([-2.0, 1.0], [1.0, -1.0], both, "deconvnet") == [-2, 2]
    assert toy([-2.0, 1.0], [1.0, -1.0], both, "gradient") == [4, 1]


FORMS = {
    "F.relu": F.relu,
    "torch.relu": torch.relu,
    "method": lambda h: h.relu(),
    "in place": nn.ReLU(inplace=True),
    "torch.relu_": torch.relu_,
    "clamp": lambda h: h.clamp(min=0),
    "clamp_min_": lambda h: h.clamp_min_(0),
    "threshold": nn.Threshold(0, 0),
    "maximum": lambda h: torch.maximum(h, h.new_zeros(())),
}


@pytest.mark.parametrize("method", NAIVE)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_relu_is_the_module(method, form):
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    plain = maps(seeded(Chain, 2, nn.ReLU()), x, method, ["top", "class:1", "fc1:2"])
    assert torch.equal(maps(seeded(Chain, 2, FORMS[form]), x, method, ["top", "class:1", "fc1:2"]), plain)
    assert plain[:, 1:].abs().amax((2, 3)).min() > 0


@pytest.mark.parametrize("method", NAIVE)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_equals_the_naive_twin_on_any_number_of_axes(method, axes, monkeypatch):
    net = seeded(Chain, axes, lambda h: torch.relu(h)).double()  # noqa: PLW0108 - looked up late, for the twin
    x = torch.randn(2, 2, *[8] * axes, dtype=torch.float64, generator=torch.Generator().manual_seed(axes))
    found = maps(net, x, method, ["class:0", "class:2"])
    for position, unit in enumerate((0, 2)):
        torch.testing.assert_close(found[:, position], twin(net, x, method, unit, monkeypatch).float())


@pytest.mark.parametrize("method", NAIVE)
@pytest.mark.parametrize("net", [ResidualNet, SharedNet, partial(SharedNet, True)])
def test_equals_the_naive_twin_with_shortcuts_and_reuse(method, net, monkeypatch):
    """Functional and in-place ReLUs, `+=`, one ReLU called again and again."""
    model = seeded(net).double()
    shape = (3, 32, 32) if net is ResidualNet else (1, 16, 16)
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        maps(model, x, method, "class:1")[:, 0], twin(model, x, method, 1, monkeypatch).float()
    )


@pytest.mark.parametrize(
    ("method", "kind"), [("guided-backprop", GuidedBackprop), ("deconvnet", Deconvolution)]
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_equals_captum_where_captum_is_right(method, kind):
    """A plain chain of ReLU modules, each used once."""
    net = seeded(PatentNet).double()
    x = torch.rand(2, 1, 96, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = maps(net, x, method, ["class:0", "class:3"])
    for position, unit in enumerate((0, 3)):
        theirs = kind(net).attribute(x.clone().requires_grad_(), target=unit)
        torch.testing.assert_close(found[:, position], theirs.sum(1).detach().float())


def test_relu_with_a_ceiling():
    """It lets nothing through where it is full; deconvnet does not ask."""
    sample, weights = [-1.0, 1.0, 7.0, 1.0], [1.0, 1.0, 1.0, -1.0]
    for ceiling in (F.relu6, nn.ReLU6(), nn.Hardtanh(0, 6), lambda h: h.clamp(0, 6)):
        assert toy(weights, sample, ceiling, "guided-backprop") == [0, 1, 0, 0]
        assert toy(weights, sample, ceiling, "deconvnet") == [1, 1, 1, 0]
    assert toy(weights, sample, lambda h: h.clamp(min=-9), "guided-backprop") == [1, 1, 1, -1]


def test_max_pools_send_back_by_their_switches():
    class Pooled(nn.Module):
        def forward(self, x):
            return F.max_pool1d(torch.relu(x), 3, 2)[:, 0] @ torch.tensor([[1.0], [2.0]])

    x = torch.tensor([[[1.0, 0.0, 5.0, 2.0, 3.0]]])
    for method in NAIVE:
        assert maps(Pooled().eval(), x, method).tolist() == [[[0, 0, 3, 0, 0]]]


def test_local_response_normalisation_passes_back():
    class Normalised(nn.Module):
        def forward(self, x):
            return F.local_response_norm(x, 2, k=3.0).flatten(1)[:, :1]

    for method in (*NAIVE, "desalinet"):
        assert maps(Normalised().eval(), torch.full((1, 2, 2), 5.0), method).tolist() == [[[1, 0]]]


def test_desalinet_is_guided_backprop():
    x = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    net = seeded(Chain)
    assert torch.equal(maps(net, x, "desalinet"), maps(net, x, "guided-backprop"))


GATES = {
    "view": lambda x, s: x * torch.sigmoid(s)[:, :, None, None],
    "from the left": lambda x, s: torch.sigmoid(s).reshape(*s.shape, 1, 1) * x,
    "in place": lambda x, s: x.mul_(F.sigmoid(s[:, :, None, None])),
    "operator in place": lambda x, s: x.__imul__(s.sigmoid()[:, :, None, None]),
    "expanded": lambda x, s: torch.mul(x, s.sigmoid_()[..., None, None].expand_as(x)),
    "hard": lambda x, s: torch.multiply(x, nn.Hardsigmoid()(s[..., None, None])),
}


def _held(weigh):
    """Apply the gate at the value that it has."""
    return lambda x, s: weigh(x, s.detach())


@pytest.mark.parametrize("method", NAIVE)
@pytest.mark.parametrize("gate", GATES)
def test_gates_are_held_constant(method, gate, monkeypatch):
    """Squeeze-and-excitation: the features get the signal, the gate does not."""
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    net, held = seeded(Gated, GATES[gate]), seeded(Gated, _held(GATES[gate]))
    found = maps(net, x, method, "class:1")[:, 0]
    torch.testing.assert_close(found, twin(held, x, method, 1, monkeypatch))
    assert not torch.allclose(found, twin(net, x, method, 1, monkeypatch), rtol=1e-3)


def test_maps_keep_their_sign_unless_asked():
    net, x = seeded(ResidualNet), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    signed, largest = maps(net, x, "deconvnet"), maps(net, x, "deconvnet", channels="max")
    assert signed.min() < 0 < signed.max()
    assert largest.min() >= 0
    assert (maps(net, x, "deconvnet", channels="norm") >= largest * 0.999).all()


def test_on_a_layer_s_grid():
    net, x = seeded(ResidualNet), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    explained = foveal.explain(net, x, method="guided-backprop", layer="layer2")
    assert explained.maps.shape == (1, 1, 8, 8)
    assert explained.layer == "layer2"
