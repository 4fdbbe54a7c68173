"""What is not linear: every operation conserves by its rule, or is refused by name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from propagated_nets import Gated, Transformer, make
from torch import nn

import foveal
from foveal.attribution.propagation import rules
from foveal.attribution.propagation.engine import Propagation
from foveal.errors import UsageError

torch.set_num_threads(1)


def _sent(function, x):
    """Relevance of a function's sum, under the rule without damping."""
    x = x.clone().requires_grad_()
    with Propagation(rules.epsilon(0)).override():
        y = function(x)
    (cotangent,) = torch.autograd.grad(y.sum(), x)
    return x.detach() * cotangent, y.detach()


def _x(*shape):
    return torch.randn(shape or (3, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


ELEMENTWISE = {
    "relu": F.relu,
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "prelu": lambda x: F.prelu(x, torch.full((1,), 0.3, dtype=x.dtype)),
    "relu6": lambda x: F.relu6(4 * x),
    "hardtanh": F.hardtanh,
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "silu in place": lambda x: F.silu(x * 1, inplace=True),
    "mish": F.mish,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "tanh in place": lambda x: (x * 1).tanh_(),
    "exp": torch.exp,
    "square": lambda x: x**2,
    "cube": lambda x: torch.pow(x, 3),
    "abs": torch.abs,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_keeps_all_but_the_value_at_zero(name):
    """R = f(z) - f(0): what f(0) is worth, it absorbs like a bias."""
    function, x = ELEMENTWISE[name], _x()
    relevance, value = _sent(function, x)
    torch.testing.assert_close(value, function(x.clone()))
    torch.testing.assert_close(relevance, value - function(torch.zeros_like(x)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_at_zero_is_finite(name):
    relevance, _ = _sent(ELEMENTWISE[name], torch.zeros(2, 2, dtype=torch.float64))
    assert torch.equal(relevance, torch.zeros(2, 2, dtype=torch.float64))


def _recurrent(x):
    return nn.LSTM(4, 3).double()(x)[0]


#: Function, and what its relevance sums up to: its own sum, but for what is a constant.
WHOLE = {
    "two factors": lambda x: x * (x + x.flip(0)),
    "square by hand": lambda x: x * x,
    "divided": lambda x: x / (x.abs().sum(1, keepdim=True) + 1),
    "scaled": lambda x: 3 * x / 2,
    "matrix": lambda x: x.T @ x,
    "glu": lambda x: F.glu(x, 1),
    "normalised": lambda x: F.normalize(x, dim=1),
    "root mean square": lambda x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-5),
    "local response": lambda x: F.local_response_norm(x[None], 2),
    "layer norm": lambda x: F.layer_norm(x, (4,)),
    "group norm": lambda x: F.group_norm(x, 2),
    "instance norm": lambda x: F.instance_norm(x.reshape(1, 3, 4)),
    "maximum": lambda x: torch.maximum(x, x.flip(0)),
    "largest": lambda x: x.amax(1),
    "einsum": lambda x: torch.einsum("bi,ij->bj", x, torch.eye(4, dtype=x.dtype)),
    "gate": lambda x: x * torch.sigmoid(x.flip(0)).view(3, 4),
}


@pytest.mark.parametrize("name", WHOLE)
def test_products_norms_and_gates_conserve(name):
    relevance, value = _sent(WHOLE[name], _x())
    torch.testing.assert_close(relevance.sum(), value.sum(), rtol=1e-9, atol=1e-9)


def test_gate_is_a_constant_and_two_signals_halve():
    a, b = torch.tensor([2.0]), torch.tensor([3.0])
    x = torch.stack([a, b]).requires_grad_()
    with Propagation(rules.epsilon(0)).override():
        product, gated = x[0] * x[1], x[0] * torch.sigmoid(x[1])
    (cotangent,) = torch.autograd.grad(product.sum(), x)
    assert (x.detach() * cotangent).flatten().tolist() == [3.0, 3.0]
    (cotangent,) = torch.autograd.grad(gated.sum(), x)
    torch.testing.assert_close(
        (x.detach() * cotangent).flatten(), torch.tensor([2 * torch.sigmoid(b).item(), 0.0])
    )


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("recurrent", _recurrent),
        ("log", torch.log),
        ("prod", lambda x: x.prod(1)),
        ("einsum", lambda x: torch.einsum("bi,bj->ij", x, x)),
        ("cosine_similarity", lambda x: F.cosine_similarity(x, x + 1)),
        ("pow", lambda x: (x.abs() + 1) ** x),
    ],
)
def test_operation_without_a_rule_is_refused_by_name(name, function):
    with pytest.raises(UsageError) as caught:
        _sent(function, _x())
    assert str(caught.value) == (
        f"Relevance has no rule for the model's operation {name!r}. "
        "Take a method that needs none, such as integrated-gradients or rise."
    )


def test_operations_on_parameters_alone_are_not_refused():
    scale = nn.Parameter(torch.ones(4, dtype=torch.float64))
    relevance, value = _sent(lambda x: x * scale.exp().log() * scale.prod(), _x())
    torch.testing.assert_close(relevance, value)


def test_output_behind_a_softmax_is_refused():
    class Probable(nn.Sequential):
        def forward(self, x):
            return super().forward(x).softmax(1)

    net = Probable(nn.Flatten(), nn.Linear(4, 3)).eval()
    with pytest.raises(UsageError) as caught:
        foveal.explain(net, torch.rand(2, 1, 4), method="lrp-epsilon", layer="input")
    assert str(caught.value) == (
        "Relevance takes the result of 'softmax' as a constant, and no other way leads to the target. "
        "Explain a unit before it: a node of the layer that gives the logits."
    )
    maps = foveal.explain(net, torch.rand(2, 1, 4), method="lrp-epsilon", layer="input", targets=["1:2"]).maps
    assert maps.abs().sum() > 0


def test_log_softmax_is_stepped_over():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False)).eval()
    logs = nn.Sequential(*net, nn.LogSoftmax(1)).eval()
    x = torch.rand(2, 1, 4)
    for first, second in zip(*[_class(one, x) for one in (net, logs)], strict=True):
        torch.testing.assert_close(first, second)


def _class(net, x):
    return foveal.explain(net, x, method="lrp-epsilon", layer="input", targets=["class:1"]).maps


def _frozen_norm(x, norm):
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.detach().square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight
        + norm.bias
    )


class HandMade(Transformer):
    """The same network, its constants detached: its gradient is the relevance, but for the GELU."""

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.attend(_frozen_norm(x, self.norm1))
        h = self.fc1(_frozen_norm(x, self.norm2))
        x = x + self.fc2(h * (F.gelu(h) / h).detach())
        return self.head(x.mean(1))

    def attend(self, x):
        projected = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        query, key, value = projected.unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) / 2).softmax(-1).detach()
        return self.attention.out_proj((weights @ value).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("by_function", [False, True], ids=["module", "function"])
def test_transformer_has_constant_weights_and_norms(by_function):
    torch.manual_seed(0)
    net, twin = make(Transformer, by_function=by_function).double(), make(HandMade).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(twin(leaf)[:, 1].sum(), leaf)
    maps = foveal.explain(
        net, x, method="lrp-epsilon", layer="input", targets=["class:1"], options={"epsilon": 0}
    ).maps
    torch.testing.assert_close(maps[:, 0], (x * gradient).sum(1).float(), rtol=1e-5, atol=1e-7)


def test_attention_to_added_keys_is_refused():
    net = make(Transformer)
    net.attention = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True).eval()
    with pytest.raises(UsageError) as caught:
        foveal.explain(net, torch.rand(1, 2, 4, 4), method="lrp", layer="input")
    assert str(caught.value) == (
        "Relevance has no rule for attention to added keys (add_bias_kv, add_zero_attn). "
        "Take a method that needs none, such as integrated-gradients or rise."
    )


@pytest.mark.parametrize(
    "method", ["lrp", "lrp-zplus", "excitation", "contrastive-excitation", "deep-taylor"]
)
@pytest.mark.parametrize("kind", [Gated, Transformer])
def test_newer_networks_give_finite_maps_of_their_own(kind, method):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 4)
    maps = foveal.explain(make(kind), x, method=method, layer="input", targets=["class:0", "class:1"]).maps
    assert maps.isfinite().all()
    assert not torch.equal(maps[:, 0], maps[:, 1])
