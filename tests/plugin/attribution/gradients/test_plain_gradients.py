"""Gradient, gradient times input and SmoothGrad against loops and against what is known by hand."""

from __future__ import annotations

import pytest
import torch
from captum.attr import InputXGradient, Saliency
from hypothesis import given
from hypothesis import strategies as st
from rectified_nets import Chain, Weighted
from small_nets import ResidualNet, seeded
from torch import nn

import foveal

torch.set_num_threads(1)


def maps(model, x, method, targets="class:0", layer="auto", **options):
    return foveal.explain(model, x, method=method, targets=targets, layer=layer, options=options).maps


def image(channels=3, side=16, count=2):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def gradient_of(model, x, unit):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[:, unit].sum(), leaf)[0]


class Square(nn.Module):
    """The sum of x^2 / 2, whose gradient is x."""

    def forward(self, x):
        return (x**2 / 2).flatten(1).sum(1, keepdim=True).expand(-1, 2)


@pytest.mark.parametrize(
    ("channels", "reduce"),
    [("max", lambda g: g.abs().amax(1)), ("norm", lambda g: g.norm(dim=1)), ("sum", lambda g: g.sum(1))],
)
def test_gradient(channels, reduce):
    net, x = seeded(ResidualNet), image()
    found = maps(net, x, "gradient", ["class:0", "class:2"], channels=channels)
    for position, unit in enumerate((0, 2)):
        torch.testing.assert_close(found[:, position], reduce(gradient_of(net, x, unit)))


def test_equals_captum():
    net, x = seeded(ResidualNet).double(), image().double()
    saliency = Saliency(net).attribute(x.clone().requires_grad_(), target=1)
    products = InputXGradient(net).attribute(x.clone().requires_grad_(), target=1)
    torch.testing.assert_close(maps(net, x, "gradient", "class:1")[:, 0], saliency.amax(1).float())
    torch.testing.assert_close(
        maps(net, x, "gradient-x-input", "class:1")[:, 0], products.sum(1).detach().float()
    )


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=6), st.integers(0, 2**16))
def test_products_complete_without_biases(weights, seed):
    """A network of ReLUs without biases: gradient times input sums to the unit."""
    x = torch.randn(1, 1, len(weights), generator=torch.Generator().manual_seed(seed))
    net = Weighted(weights, lambda h: torch.relu(h) - 2 * torch.relu(-h)).eval()
    torch.testing.assert_close(maps(net, x, "gradient-x-input").sum(), net(x)[0, 0].detach())


def test_on_a_layer_the_product_is_hirescam():
    net, x = seeded(ResidualNet), image(side=32)
    product = maps(net, x, "gradient-x-input", layer="layer2")
    torch.testing.assert_close(product, maps(net, x, "hirescam", layer="layer2"))
    assert maps(net, x, "smoothgrad", layer="layer2", samples=2).shape == product.shape


def test_smoothgrad_is_a_mean_over_noisy_copies():
    """The noise is drawn once per copy, shared by the batch, and scaled by each sample's own range."""
    net, x, random = seeded(ResidualNet), image(), torch.Generator().manual_seed(7)
    x[1] *= 10
    sigma = 0.1 * torch.stack([one.max() - one.min() for one in x])[:, None, None, None]
    copies = [gradient_of(net, x + sigma * torch.randn(1, 3, 16, 16, generator=random), 1) for _ in range(20)]
    explain = lambda **options: foveal.explain(  # noqa: E731 - one line says it
        net, x, method="smoothgrad", targets="class:1", seed=7, options={"spread": 0.1, **options}
    ).maps[:, 0]
    mean, square = torch.stack(copies).mean(0), torch.stack(copies).square().mean(0)
    variance = torch.stack(copies).var(0, correction=0)
    tolerance = {"rtol": 1e-4, "atol": 1e-8}
    torch.testing.assert_close(explain(), mean.abs().amax(1), **tolerance)
    torch.testing.assert_close(explain(channels="sum"), mean.sum(1), **tolerance)
    torch.testing.assert_close(explain(average="squared"), square.amax(1), **tolerance)
    torch.testing.assert_close(explain(average="variance"), variance.amax(1), **tolerance)


def test_smoothgrad_without_noise_is_the_gradient():
    net, x = seeded(Chain), image(2, 8)
    torch.testing.assert_close(maps(net, x, "smoothgrad", spread=0.0, samples=3), maps(net, x, "gradient"))
    torch.testing.assert_close(
        maps(net, x, "smoothgrad", spread=0.0, average="variance"), torch.zeros(2, 1, 8, 8), atol=1e-9, rtol=0
    )


def test_smoothgrad_s_variance_is_the_noise_s():
    """Of sum(x^2) / 2 the gradient is the noisy sample itself."""
    x = image(1, 8, 1)
    spread = (0.2 * (x.max() - x.min())).item()
    found = maps(Square().eval(), x, "smoothgrad", samples=400, spread=0.2, average="variance")
    assert found.mean().sqrt().item() == pytest.approx(spread, rel=0.05)


def test_smoothgrad_is_seeded():
    net, x = seeded(Chain), image(2, 8)
    draw = lambda seed: foveal.explain(net, x, method="smoothgrad", seed=seed).maps  # noqa: E731
    state = torch.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(torch.get_rng_state(), state)
