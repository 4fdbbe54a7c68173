"""The weight-randomisation check, on methods whose verdict is known by construction."""

import numpy as np
import pytest
import torch
from torch import nn

from foveal_audit.comparing.randomisation import (
    RESEMBLES,
    STAGES,
    Check,
    Similarity,
    check_randomisation,
    compare_maps,
    layers_by_depth,
    randomised,
)


class Net(nn.Module):
    """Layers in another order than their names, one used by its owner alone, one parameter of its own."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.full((4,), 2.0))
        self.last = nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.BatchNorm1d(8)
        self.first = nn.Linear(4, 8)

    def forward(self, x):
        y = self.norm(torch.relu(self.first(x + self.token)))[:, None]
        return self.last(self.attention(y, y, y)[0][:, 0])


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def x():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


def changed(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    return {name.partition(".")[0] for name in ours if not torch.equal(ours[name], theirs[name])}


def test_layers_come_in_the_order_of_the_forward(net, x):
    assert layers_by_depth(net, x) == ["", "first", "norm", "attention", "attention.out_proj", "last"]
    assert all(not module._forward_pre_hooks for module in net.modules())


def test_the_upper_share_is_drawn_anew_and_the_model_stays_as_it_was(net, x):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert changed(net, randomised(net, x, 0.0, 0)) == set()
    assert changed(net, randomised(net, x, 0.2, 0)) == {"last"}
    assert changed(net, randomised(net, x, 0.5, 0)) == {"last", "attention"}
    assert changed(net, randomised(net, x, 1.0, 0)) >= {"last", "attention", "first"}
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_fresh_weights_are_those_of_an_untrained_network(x):
    net = nn.Sequential(nn.Linear(4, 5000), nn.BatchNorm1d(5000)).eval()
    with torch.no_grad():
        net[1].weight.fill_(3)
        net[1].running_mean.fill_(1)
    fresh = randomised(net, x, 1.0, 0)
    assert float(fresh[0].weight.std().detach()) == pytest.approx((2 / 4) ** 0.5, rel=0.05)
    assert not fresh[0].bias.any()
    assert bool((fresh[1].weight == 1).all())
    assert not fresh[1].running_mean.any()


def test_seeds_tell_networks_apart(net, x):
    assert changed(randomised(net, x, 1.0, 0), randomised(net, x, 1.0, 0)) == set()
    assert "last" in changed(randomised(net, x, 1.0, 0), randomised(net, x, 1.0, 1))


def test_maps_by_hand():
    one, opposite = np.array([[1.0, -2.0, 3.0]]), np.array([[-1.0, 2.0, -3.0]])
    alike = compare_maps(one, opposite)
    assert alike.rank == pytest.approx(1)
    assert alike.signed == pytest.approx(-1)
    assert alike.ssim == pytest.approx(1)
    assert compare_maps(one, np.ones((1, 3))).rank == 0
    assert np.isnan(compare_maps(np.eye(2)[None], np.eye(2)[None]).ssim)


def picture_of(x):
    """A method that shows the sample, whatever the network is."""
    return lambda model, seed: x.numpy()


def gradient(x):
    def maps(model, seed):
        leaf = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
        return found.detach().numpy()

    return maps


def noise(model, seed):
    return np.random.default_rng(seed).normal(size=(5, 50))


def test_what_does_not_look_at_the_network_fails(net, x):
    check = check_randomisation(net, x, picture_of(x))
    assert check.verdict == "fails"
    assert check.stages == STAGES
    assert [one.rank for one in check.similarity] == pytest.approx([1] * len(STAGES))
    assert check.untrained.rank == pytest.approx(1)


def test_a_gradient_passes():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 3)).eval()
    x = torch.randn(8, 60)
    check = check_randomisation(net, x, gradient(x))
    assert check.verdict == "passes"
    assert check.repeated.rank == pytest.approx(1)


def test_what_does_not_even_resemble_itself_is_not_measured(net, x):
    assert check_randomisation(net, x, noise).verdict == "not measured"


@pytest.mark.parametrize(
    ("ranks", "verdict"),
    [
        ((0.9, 0.2, 0.1, 0.1), "passes"),  # only the head was drawn anew
        ((0.9, RESEMBLES, 0.1, 0.1), "fails"),
        ((0.9, 0.2, 0.1, RESEMBLES), "fails"),
    ],
)
def test_the_verdict_looks_at_the_stages_that_decide(ranks, verdict):
    same = Similarity(1, 1, 1)
    assert Check(STAGES, tuple(Similarity(rank, 0, 0) for rank in ranks), same, same).verdict == verdict
