"""Patterns: the estimators against statistics done by hand, the signal found where a filter hides it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from propagated_nets import Functional, Normed, Plain, Residual, make
from torch import nn

import foveal
from foveal.attribution.propagation.patterns import fit
from foveal.capture import Tap, TappedSubject, parse_target
from foveal.errors import UsageError

torch.set_num_threads(1)


def _subject(tap, x, *targets):
    return TappedSubject(tap, x, [parse_target(target) for target in targets or ("class:0",)])


def _maps(net, x, training, method="pattern-attribution", targets=("class:0",), layer="input", **options):
    return foveal.explain(
        net, x, method=method, targets=list(targets), layer=layer, training=training, options=options
    ).maps


def _samples(count, *shape, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _by_hand(patches, weight, bias, estimator):
    """The definition, output by output: patches (N, D), weight (O, D)."""
    rows = []
    for w, b in zip(weight, bias, strict=True):
        y = patches @ w
        on = y + b > 0 if estimator == "two-component" else torch.ones_like(y, dtype=torch.bool)
        xy, x = (patches[on] * y[on, None]).mean(0), patches[on].mean(0)
        covariance = xy - x * y.mean()
        rows.append(covariance / (w @ covariance))
    return torch.stack(rows)


#: Operation, an input's shape, and its patches (N, D) of a batch by unfolding.
OPERATIONS = {
    "dense": (lambda: nn.Linear(4, 3), (4,), lambda x: x),
    "1-D": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 6), lambda x: _unfold_1d(F.pad(x, (1, 1)), 3)),
    "2-D": (lambda: nn.Conv2d(2, 3, 2), (2, 4, 4), lambda x: F.unfold(x, 2).transpose(1, 2).flatten(0, 1)),
    "strided": (
        lambda: nn.Conv2d(1, 3, 3, stride=2, padding=1, dilation=1),
        (1, 5, 5),
        lambda x: F.unfold(x, 3, 1, 1, 2).transpose(1, 2).flatten(0, 1),
    ),
}


def _unfold_1d(x, width):
    return x.unfold(2, width, 1).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)


@pytest.mark.parametrize("estimator", ["linear", "two-component"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("batch", [1, 3])
def test_estimator_is_its_definition(operation, estimator, batch):
    make_module, shape, unfold = OPERATIONS[operation]
    torch.manual_seed(0)
    module = make_module().double()
    net = nn.Sequential(module, nn.Flatten(), nn.Identity()).eval()
    training = _samples(37, *shape) + 0.3
    with Tap(net, None) as tap:
        statistics = fit(_subject(tap, training[:batch]), training, estimator)
    expected = _by_hand(unfold(training), module.weight.data.flatten(1), module.bias.data, estimator)

    class One:
        weight = module.weight.data
        scale = staticmethod(lambda weight, factor: weight * factor.reshape(-1, *[1] * (weight.ndim - 1)))

    found = statistics[0].pattern(One)
    torch.testing.assert_close(found.flatten(1), expected, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(
        (found * module.weight.data).flatten(1).sum(1), torch.ones(3, dtype=torch.float64)
    )


def _kindermans():
    """x = signal (1, 0) + distractor (1, 1); the filter (1, -1) sees the signal alone."""
    generator = torch.Generator().manual_seed(0)
    y, noise = torch.randn(400, 1, generator=generator), torch.randn(400, 1, generator=generator)
    training = (y * torch.tensor([1.0, 0.0]) + noise * torch.tensor([1.0, 1.0]))[:, None]
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False)).eval()
    net[1].weight.data = torch.tensor([[1.0, -1.0]])
    return net, training


@pytest.mark.parametrize("estimator", ["linear", "two-component"])
def test_the_papers_toy(estimator):
    """The signal lies along (1, 0), where the filter shows (1, -1)."""
    net, training = _kindermans()
    x = torch.tensor([[[5.0, 3.0]]])
    signal = _maps(net, x, training, "pattern-net", estimator=estimator)
    torch.testing.assert_close(signal, torch.tensor([[[2.0, 0.0]]]), atol=0.3, rtol=0)
    shares = _maps(net, x, training, estimator=estimator)
    torch.testing.assert_close(shares, torch.tensor([[[2.0, 0.0]]]), atol=0.3, rtol=0)
    torch.testing.assert_close(shares.sum(), torch.tensor(2.0), rtol=1e-4, atol=0)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", [Plain, Functional, Residual, Normed])
@pytest.mark.parametrize("method", ["pattern-net", "pattern-attribution"])
def test_every_network_in_every_dimension(method, kind, axes):
    net, training = make(kind, axes).double(), _samples(21, 2, *[6] * axes)
    targets = ["class:0", "class:1"]
    maps = _maps(net, training[:2], training, method, targets)
    assert maps.shape == (2, 2, *[6] * axes)
    assert maps.isfinite().all()
    assert maps.abs().sum() > 0
    torch.testing.assert_close(
        _maps(net, training[:1], training, method, targets)[0], maps[0], rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(
        _maps(net, training[:2], training, method, targets[1:])[:, 0], maps[:, 1], rtol=1e-4, atol=1e-6
    )


def test_gradient_where_patterns_are_weights():
    """The rectifiers' gates are kept: with one sample direction per weight it is the value's gradient."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1, bias=False)).eval()
    net[1].weight.data, net[1].bias.data, net[3].weight.data = (
        torch.tensor([[2.0]]),
        torch.tensor([-1.0]),
        torch.tensor([[3.0]]),
    )
    training = torch.linspace(-2, 2, 50)[:, None, None]
    # One input: a = 1 / w, so w a = 1, and everything that is let through arrives.
    maps = _maps(net, torch.tensor([[[2.0]], [[0.1]]]), training)
    torch.testing.assert_close(maps, torch.tensor([[[9.0]], [[0.0]]]), rtol=1e-5, atol=1e-6)


def test_what_never_moved_has_no_pattern():
    net, training = _kindermans()
    maps = _maps(net, torch.ones(1, 1, 2), torch.zeros_like(training), "pattern-net")
    assert torch.equal(maps, torch.zeros(1, 1, 2))


def test_maps_at_a_layer():
    net, training = make(Plain).double(), _samples(9, 2, 6, 6)
    maps = _maps(net, training[:2], training, layer="conv2")
    assert maps.shape == (2, 1, 3, 3)


@pytest.mark.parametrize(
    ("training", "options", "message"),
    [
        (
            None,
            {},
            (
                "Patterns are fitted on training samples, and none were given. "
                "Give some: training= in Python, a few hundred are enough."
            ),
        ),
        (
            torch.ones(3, 1, 2),
            {"estimator": "quadratic"},
            "Option estimator='quadratic' is not known. Did you mean 'two-component' or 'linear'.",
        ),
    ],
)
def test_wrong_use_is_told(training, options, message):
    net, _ = _kindermans()
    with pytest.raises(UsageError) as caught:
        _maps(net, torch.ones(1, 1, 2), training, "pattern-net", **options)
    assert str(caught.value) == message
