"""DeepLIFT: complete through every operation, captum's values where it is right, right where it is not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from captum.attr import DeepLift
from hypothesis import given, settings
from hypothesis import strategies as st
from propagated_nets import Dense, Functional, Gated, Normed, Plain, Residual, Reused, Transformer, make
from torch import nn

import foveal
from foveal.attribution.propagation import rescale
from foveal.attribution.propagation.differences import Difference
from foveal.errors import UsageError

torch.set_num_threads(1)


def _x(axes=2, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, *[6] * axes, generator=generator, dtype=torch.float64)


def _maps(net, x, targets=("class:0", "class:1"), layer="input", training=None, **options):
    return foveal.explain(
        net, x, method="deeplift", targets=list(targets), layer=layer, training=training, options=options
    ).maps


def _contributions(function, x, x0):
    """Contributions to each output's sum, in full precision."""
    difference, x = Difference(), x.clone().requires_grad_()
    with torch.no_grad(), difference.record():
        reference = function(x0.clone())
    with difference.compare():
        value = function(x)
    (multiplier,) = torch.autograd.grad(value.sum(), x)
    return (x.detach() - x0) * multiplier, (value.detach() - reference).sum()


#: Every operation that has a rule; its contributions sum up to the difference.
FUNCTIONS = {
    "relu": F.relu,
    "relu in place": lambda x: torch.relu_(x * 1),
    "clamped": lambda x: x.clamp(min=0),
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "prelu": lambda x: F.prelu(x, torch.full((1,), 0.3, dtype=x.dtype)),
    "gelu": F.gelu,
    "silu": lambda x: F.silu(x * 1, inplace=True),
    "sigmoid": torch.sigmoid,
    "tanh": lambda x: (2 * x).tanh(),
    "elu": F.elu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "exp": torch.exp,
    "log": lambda x: (x.abs() + 1).log(),
    "square": lambda x: x**2,
    "power": lambda x: (x.abs() + 1) ** -0.5,
    "reciprocal": lambda x: 1 / (x.abs() + 1),
    "product": lambda x: x * x.flip(0).sigmoid(),
    "quotient": lambda x: x / (x.abs().sum(1, keepdim=True) + 1),
    "matrix": lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
    "softmax": lambda x: x.flatten(2).softmax(-1)[..., :3],
    "log softmax": lambda x: x.flatten(2).log_softmax(-1)[..., :3],
    "layer norm": lambda x: F.layer_norm(x, (6, 6), torch.arange(36.0, dtype=x.dtype).reshape(6, 6)) ** 3,
    "group norm": lambda x: F.group_norm(x, 1, torch.tensor([1.0, 3.0], dtype=x.dtype)).relu(),
    "instance norm": lambda x: F.instance_norm(x).relu(),
    "glu": lambda x: F.glu(x, 1),
    "max-pool": lambda x: F.max_pool2d(x, 2),
    "overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "with indices": lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0],
    "adaptive": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "1-D pool": lambda x: F.max_pool1d(x.flatten(2), 3, 2),
    "3-D pool": lambda x: F.max_pool3d(x.unflatten(3, (3, 2)), 2),
    "largest": lambda x: x.amax((2, 3)),
    "largest kept": lambda x: x.amax((1, -1), keepdim=True),
    "largest of all": lambda x: x.max(),
    "largest of rows": lambda x: x.max(1)[0],
    "largest of columns": lambda x: torch.max(x, dim=2, keepdim=True).values,
    "larger": lambda x: torch.maximum(x, x.flip(0)),
    "larger than a constant": lambda x: torch.max(x, torch.full_like(x, 0.2)),
    "unpooled": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
}


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"unpooled"}))
def test_every_operation_is_complete(name, seed):
    x, x0 = _x(seed=seed), _x(seed=seed + 1)
    contributions, difference = _contributions(FUNCTIONS[name], x, x0)
    torch.testing.assert_close(contributions.sum(), difference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_operation_that_meets_itself_has_finite_multipliers(name):
    x = _x()
    contributions, _ = _contributions(FUNCTIONS[name], x, x.clone())
    assert torch.equal(contributions, torch.zeros_like(x))


def test_rescale_by_hand():
    """From -1 to 3 a rectifier rises by 3 of 4; from 1 to 3 by all."""
    x, x0 = torch.tensor([3.0, 3.0, -2.0]), torch.tensor([-1.0, 1.0, -1.0])
    contributions, _ = _contributions(F.relu, x, x0)
    assert contributions.tolist() == [3.0, 2.0, 0.0]


def test_maximum_by_hand():
    """max (5, 1) against max (2, 3): up from 3 to 5 is the new winner's, and the old winner falls unseen."""
    contributions, _ = _contributions(
        lambda x: F.max_pool1d(x, 2), torch.tensor([[[5.0, 1.0]]]), torch.tensor([[[2.0, 3.0]]])
    )
    assert contributions.tolist() == [[[2.0, 0.0]]]
    contributions, _ = _contributions(
        lambda x: F.max_pool1d(x, 2), torch.tensor([[[2.0, 1.0]]]), torch.tensor([[[0.0, 3.0]]])
    )
    assert contributions.tolist() == [[[0.0, -1.0]]]


def test_product_shares_by_shapley():
    """From 1 * 2 to 3 * 5: the first factor is worth 2 * 3.5, the second 3 * 2, together 13."""
    one, other = torch.tensor(3.0, requires_grad=True), torch.tensor(5.0, requires_grad=True)
    pair = rescale.product(rescale.Pair(one, torch.tensor(1.0)), rescale.Pair(other, torch.tensor(2.0)))
    assert [part.item() for part in torch.autograd.grad(pair.now, (one, other))] == [3.5, 2.0]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", [Plain, Functional, Reused, Residual, Dense, Normed])
def test_network_is_complete(kind, axes):
    net, x = make(kind, axes).double(), _x(axes)
    with torch.no_grad():
        expected = (net(x) - net(torch.zeros_like(x)))[:, :2]
    torch.testing.assert_close(_maps(net, x).flatten(2).sum(2), expected.float(), rtol=1e-5, atol=1e-6)


def test_completeness_to_the_last_digit():
    for kind in (Plain, Functional, Reused, Residual, Dense, Normed, Gated):
        net, x = make(kind).double(), _x()
        contributions, difference = _contributions(lambda x, net=net: net(x)[:, 1], x, torch.zeros_like(x))
        assert abs(contributions.sum() - difference) < 1e-9


@pytest.mark.parametrize("name", ["zero", "mean", "blur", "training"])
def test_baselines(name):
    net, x, training = make(Plain).double(), _x(), _x(batch=5, seed=3)
    references = {
        "zero": torch.zeros_like(x),
        "mean": x.mean((2, 3), keepdim=True).expand_as(x),
        "training": training.mean(0).expand_as(x),
        "blur": _blurred(x),
    }
    with torch.no_grad():
        expected = (net(x) - net(references[name]))[:, :2]
    maps = _maps(net, x, training=training, baseline=name)
    torch.testing.assert_close(maps.flatten(2).sum(2), expected.float(), rtol=1e-5, atol=1e-6)


def _blurred(x):
    """Position by position: the mean of all, weighted by their distance."""
    result = torch.zeros_like(x)
    for i in range(6):
        for j in range(6):
            weights = torch.tensor(
                [[-(((i - k) ** 2 + (j - m) ** 2) / 0.36) / 2 for m in range(6)] for k in range(6)],
                dtype=x.dtype,
            ).exp()
            result[..., i, j] = (x * weights / weights.sum()).sum((2, 3))
    return result


class Modules(nn.Module):
    """Each rectifier a module of its own, called once: what captum sees."""

    def __init__(self, kind):
        super().__init__()
        self.conv1, self.act1, self.pool = nn.Conv2d(2, 4, 3, padding=1), kind(), nn.AvgPool2d(2)
        self.conv2, self.act2, self.fc = nn.Conv2d(4, 5, 3), kind(), nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(self.act2(self.conv2(self.pool(self.act1(self.conv1(x))))).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
@pytest.mark.parametrize("kind", [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.LeakyReLU, nn.Softplus])
def test_captum_agrees_where_each_rectifier_is_a_module(kind):
    net, x = make(Modules, kind).double(), _x()
    baseline = x.mean((2, 3), keepdim=True).expand_as(x)
    expected = DeepLift(net).attribute(x, baseline, target=1).sum(1).detach()
    maps = _maps(net, x, ["class:1"], baseline="mean")
    torch.testing.assert_close(maps[:, 0], expected.float(), rtol=1e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_captum_is_not_complete_where_another_value_wins():
    """max (2, 1) against max (0, 3) falls by 1, as the old winner does; captum has the new one rise by 2."""
    net = nn.Sequential(nn.ReLU(), nn.MaxPool1d(2), nn.Flatten())
    x, x0 = torch.tensor([[[2.0, 1.0]]]), torch.tensor([[[0.0, 3.0]]])
    assert DeepLift(net).attribute(x, x0, target=0).flatten().tolist() == [2.0, 0.0]
    assert _contributions(net, x, x0)[0].flatten().tolist() == [0.0, -1.0]


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_captum_gives_the_gradient_where_rectifiers_are_functions():
    """The known fault: our maps do not depend on how the rectifier is called, captum's do."""
    plain, functional = make(Plain, bias=True).double(), make(Functional, bias=True).double()
    x = _x()
    torch.testing.assert_close(_maps(functional, x), _maps(plain, x))
    theirs = DeepLift(functional).attribute(x, torch.zeros_like(x), target=1).sum((1, 2, 3)).detach()
    with torch.no_grad():
        difference = (functional(x) - functional(torch.zeros_like(x)))[:, 1]
    assert (theirs - difference).abs().min() > 1e-4
    torch.testing.assert_close(
        _maps(functional, x).sum((2, 3))[:, 1], difference.float(), rtol=1e-5, atol=1e-6
    )


def test_contributions_at_a_layer_sum_up():
    net, x = make(Plain, bias=True).double(), _x()
    with torch.no_grad():
        expected = (net(x) - net(torch.zeros_like(x)))[:, :2].float()
    for layer in ("conv1", "relu1", "conv2"):
        maps = _maps(net, x, layer=layer)
        torch.testing.assert_close(maps.flatten(2).sum(2), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Residual, Gated])
def test_units_and_samples_do_not_meet(kind):
    net, x = make(kind).double(), _x(batch=3)
    together = _maps(net, x)
    torch.testing.assert_close(_maps(net, x, ["class:1"])[:, 0], together[:, 1])
    for sample in range(3):
        torch.testing.assert_close(_maps(net, x[sample : sample + 1])[0], together[sample])


class Odd(nn.Module):
    """One operation, of the input as rows."""

    def __init__(self, function):
        super().__init__()
        self.function, self.scale = function, nn.Linear(3, 3)

    def forward(self, x):
        return self.function(x.flatten(1), self.scale)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("normalize", lambda x, _: F.normalize(x)),
        ("amin", lambda x, _: x * x.amin(1, keepdim=True)),
        ("einsum", lambda x, _: torch.einsum("bi,bi->b", x, x)[:, None]),
        ("recurrent", lambda x, _: nn.LSTM(3, 2)(x)[0]),
        ("linear", lambda x, scale: F.linear(x, scale(x).T @ x)),
    ],
)
def test_operation_without_a_rule_is_refused_by_name(name, function):
    with pytest.raises(UsageError) as caught:
        _maps(Odd(function).eval(), torch.tensor([[[1.0, -2.0, 3.0]]]), ["class:0"])
    assert str(caught.value) == (
        f"DeepLIFT has no rule for the model's operation {name!r}. "
        "Take a method that needs none, such as integrated-gradients or rise."
    )


def _attended(x, **options):
    rows = x.flatten(2)
    return F.scaled_dot_product_attention(rows, rows.flip(1), rows**2, **options)


def _masked(x):
    return _attended(x, attn_mask=torch.eye(2, dtype=torch.bool, device=x.device)[None])


@pytest.mark.parametrize(
    "function",
    [_attended, lambda x: _attended(x, is_causal=True), lambda x: _attended(x, scale=0.1), _masked],
    ids=["plain", "causal", "scaled", "masked"],
)
def test_attention_is_complete(function):
    contributions, difference = _contributions(function, _x(), _x(seed=1))
    torch.testing.assert_close(contributions.sum(), difference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("by_function", [False, True], ids=["module", "function"])
def test_transformer_is_complete(by_function):
    net, x, x0 = make(Transformer, by_function=by_function).double(), _x(), _x(seed=1)
    contributions, difference = _contributions(lambda x: net(x)[:, 1], x, x0)
    assert abs(contributions.sum() - difference) < 1e-9


def test_attention_to_added_keys_is_refused():
    net = make(Transformer)
    net.attention = nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=True).eval()
    with pytest.raises(UsageError) as caught:
        _maps(net, _x().float(), baseline="mean")
    assert str(caught.value) == (
        "DeepLIFT has no rule for attention with add_zero_attn. "
        "Take a method that needs none, such as integrated-gradients or rise."
    )


def test_contributions_lost_in_rounding_are_refused():
    """A layer norm of a constant reference divides by nothing."""
    net = nn.Sequential(nn.Flatten(), nn.LayerNorm(3, eps=1e-30), nn.Linear(3, 2)).eval()
    with pytest.raises(UsageError) as caught:
        _maps(net, torch.tensor([[[1.0, 2.0, 4.0]]]))
    assert caught.value.mend == "Choose another baseline: at this one a norm divides by next to nothing"
    assert "are lost in rounding" in caught.value.fault


def test_model_that_takes_another_path_is_refused():
    class Branching(nn.Module):
        def forward(self, x):
            return (x.relu() if x.sum() > 0 else x.tanh()).flatten(1)

    with pytest.raises(UsageError) as caught:
        _maps(Branching().eval(), torch.ones(1, 1, 3))
    assert str(caught.value) == (
        "The model takes another path for the reference than for the sample. "
        "Choose another baseline, or a method that needs none, such as lrp."
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "noise",
            "Option baseline='noise' is not known. Did you mean 'zero' or 'mean' or 'blur' or 'training'.",
        ),
        (
            "training",
            (
                "Option baseline='training' is the mean training sample, and none were given. "
                "Give some: training= in Python, or choose another baseline."
            ),
        ),
    ],
)
def test_wrong_baselines_are_told(name, message):
    with pytest.raises(UsageError) as caught:
        _maps(make(Plain).double(), _x(), baseline=name)
    assert str(caught.value) == message
