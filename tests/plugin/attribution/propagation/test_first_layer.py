"""Rules of the first layer: by hand, conserved, and carried through whatever comes before that layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from propagated_nets import Plain, Residual, make
from torch import nn

import foveal
from foveal.errors import UsageError

torch.set_num_threads(1)


def _maps(net, x, method="deep-taylor", targets=("class:0",), **options):
    return foveal.explain(net, x, method=method, targets=list(targets), layer="input", options=options).maps


class Neuron(nn.Module):
    """y = 3 a - b of an input (B, 1, 2), with whatever is done to the input before."""

    def __init__(self, before=None):
        super().__init__()
        self.before, self.fc = before, nn.Linear(2, 1, bias=False)
        self.fc.weight.data = torch.tensor([[3.0, -1.0]])

    def forward(self, x):
        return self.fc((x if self.before is None else self.before(x)).flatten(1))


#: By hand, x = (1, 2), w = (3, -1), y = 1. Box [-1, 3]: (3 + 3, -2 + 3) = (6, 1), of 7.
BY_HAND = {
    "w2": (0.9, 0.1),
    "flat": (0.5, 0.5),
    "box": (6 / 7, 1 / 7),
    "same": (1.0, 0.0),
}


@pytest.mark.parametrize("first", BY_HAND)
def test_first_layer_by_hand(first):
    bounds = {"low": -1.0, "high": 3.0} if first == "box" else {}
    maps = _maps(Neuron().eval(), torch.tensor([[[1.0, 2.0]]]), first=first, **bounds)
    torch.testing.assert_close(maps, torch.tensor([[[list(BY_HAND[first])]]]).flatten(0, 1))


def test_auto_takes_the_box_where_bounds_are_known():
    x = torch.tensor([[[1.0, 2.0]]])
    assert torch.equal(_maps(Neuron().eval(), x), _maps(Neuron().eval(), x, first="w2"))
    box = _maps(Neuron().eval(), x, first="box", low=-1.0, high=3.0)
    assert torch.equal(_maps(Neuron().eval(), x, low=-1.0, high=3.0), box)


def test_black_is_a_colour():
    """Where the input is 0 the other rules give nothing; these do."""
    x = torch.tensor([[[0.0, 2.0]]])
    assert _maps(Neuron().eval(), x, first="same")[0, 0, 0] == 0
    for first in ("w2", "flat"):
        assert _maps(Neuron().eval(), x, first=first)[0, 0, 0] != 0


#: What a model may do to its input first; the box's bounds, [-1, 3] of x, are carried along.
BEFORE = {
    "copied": lambda x: x.clone(),
    "scaled": lambda x: (x - 0.5) / 2,
    "turned": lambda x: -x,
    "normed": nn.BatchNorm1d(1, affine=False).eval(),
    "flattened": lambda x: x.flatten(1),
    "moved about": lambda x: (x.flip(-1) * 2 + 1).transpose(1, 2).flip(1),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("first", ["w2", "flat", "box"])
def test_preparations_inside_the_model_do_not_matter(first, before):
    x = torch.tensor([[[1.0, 2.0]], [[-0.5, 0.0]]])
    bounds = {"low": -1.0, "high": 3.0} if first == "box" else {}
    net = Neuron(BEFORE[before]).eval()
    maps = _maps(net, x, first=first, **bounds)
    value = net(x).detach()
    torch.testing.assert_close(maps.sum(-1), value, rtol=1e-4, atol=1e-5)
    if first != "box":
        expected = torch.tensor(BY_HAND[first]) * value[:, :, None]
        torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-5)
    elif before == "scaled":
        # t = (x - 0.5) / 2 lies in [-0.75, 1.25]: 3 t + 3 * 0.75, -t + 1.25.
        t = (x[:, 0] - 0.5) / 2
        shares = torch.stack([3 * t[:, 0] + 2.25, 1.25 - t[:, 1]], 1)
        torch.testing.assert_close(
            maps[:, 0], shares / shares.sum(1, keepdim=True) * value, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("first", ["w2", "flat", "box"])
def test_relevance_is_conserved(first, axes):
    torch.manual_seed(1)
    net = make(Plain, axes).double()
    net.fc2.weight.data.abs_()
    x = torch.rand(2, 2, *[6] * axes, dtype=torch.float64)
    bounds = {"low": 0.0, "high": 1.0} if first == "box" else {}
    targets = ["class:0", "class:1", "class:2"]
    maps = _maps(net, x, targets=targets, first=first, **bounds)
    torch.testing.assert_close(maps.flatten(2).sum(2), net(x).float(), rtol=1e-5, atol=1e-6)
    for unit, target in enumerate(targets):
        alone = _maps(net, x, targets=[target], first=first, **bounds)
        torch.testing.assert_close(alone[:, 0], maps[:, unit])


def test_two_first_layers_share():
    """A shortcut convolution reads the input too: it has the rule as well, and nothing is counted twice."""
    net, x = make(Residual).double(), torch.rand(2, 2, 6, 6, dtype=torch.float64)
    maps = _maps(net, x, "lrp", first="w2", epsilon=0)
    torch.testing.assert_close(maps.flatten(1).sum(1), net(x)[:, 0].float(), rtol=1e-5, atol=1e-6)


def test_input_that_also_takes_another_way_keeps_both():
    """y = w x + 2 sum(x): the first layer shares by its rule, the rest is worth its contribution."""

    class Both(Neuron):
        def forward(self, x):
            return self.fc(x.flatten(1)) + 2 * x.flatten(1).sum(1, keepdim=True)

    maps = _maps(Both().eval(), torch.tensor([[[1.0, 2.0]]]), first="flat")
    torch.testing.assert_close(maps, torch.tensor([[[0.5 + 2, 0.5 + 4]]]))


def _reflecting():
    conv = nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular", bias=False)
    return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(12, 1, bias=False)).eval()


def test_layer_that_reads_copies_of_the_input_keeps_the_other_rule_or_says_so():
    net, x = _reflecting(), torch.rand(2, 1, 6)
    assert torch.equal(_maps(net, x), _maps(net, x, first="same"))
    with pytest.raises(UsageError) as caught:
        _maps(net, x, first="w2")
    assert str(caught.value) == (
        "The first layer does not read the input value by value. Choose first=same for this model."
    )


def test_padding_inside_the_layer_takes_no_relevance():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 1, bias=False))
    net[3].weight.data.abs_()
    x = torch.rand(2, 1, 4, 4)
    h = F.relu(net[0](x)).flatten(1)
    torch.testing.assert_close(_maps(net.eval(), x, first="flat").sum((2, 3)), net[3](h).detach())
