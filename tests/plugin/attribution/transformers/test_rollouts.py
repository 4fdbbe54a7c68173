"""Attention maps and rollouts against attention multiplied out head by head, for every way to write it."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from small_nets import SharedNet, seeded
from tiny_transformers import ATTENTIONS, ModuleAttention, TinyTransformer, WindowAttention
from torch import nn
from torch.nn.functional import interpolate
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.attribution.transformers.recording import record_attention
from foveal.errors import UsageError

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
_METHODS = ("attention", "attention-rollout", "gradient-rollout")


def _net(*args, **fields):
    torch.manual_seed(0)
    return TinyTransformer(*args, **fields).double().eval()


def _batch(sides=(8, 8), batch=2):
    return torch.randn(batch, 1, *sides, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _parts(attention):
    """Give the projection and output weights of any kind of attention."""
    if isinstance(attention, ModuleAttention):
        inner = attention.inner
        return inner.in_proj_weight, inner.in_proj_bias, inner.out_proj
    return attention.qkv.weight, attention.qkv.bias, attention.out


def _forward(net, x, nudges=None):
    """Run one sample (1, C, *S) token by token; give scores and every head's attention."""
    patches = net.embed(x).flatten(2)[0].T
    tokens = torch.cat([net.prefix[0], patches]) + net.places[0]
    seen = []
    for layer, (norm, attention, mlp) in enumerate(zip(net.norms, net.attentions, net.mlps, strict=True)):
        weight, bias, out = _parts(attention)
        q, k, v = (norm(tokens) @ weight.T + bias).chunk(3, dim=1)
        heads, joined = [], []
        for head in (slice(0, 4), slice(4, 8)):
            A = (q[:, head] @ k[:, head].T / sqrt(4)).softmax(1)
            if nudges is not None and layer in nudges:
                A = A + nudges[layer][len(heads)]
            heads.append(A)
            joined.append(A @ v[:, head])
        seen.append(torch.stack(heads))
        tokens = tokens + out(torch.cat(joined, 1))
        tokens = tokens + torch.relu(mlp(tokens))
    return net.fc(tokens[0] if net.prefix.numel() else tokens.mean(0)), seen


def _read(matrix, net, x):
    """Read the class token's row, or the mean of all, and enlarge it to the input's grid."""
    prefix = net.prefix.shape[1]
    row = matrix[0] if prefix else matrix.mean(0)
    grid = [side // net.embed.stride[0] for side in x.shape[2:]]
    small = row[prefix:].reshape(1, 1, *grid)
    return interpolate(small, x.shape[2:], mode=_MODES[x.ndim - 2], align_corners=False)[0, 0].float()


def _rolled(seen):
    total = torch.eye(seen[0].shape[-1], dtype=torch.float64)
    for A in seen:
        total = (0.5 * A.mean(0) + 0.5 * torch.eye(len(total), dtype=torch.float64)) @ total
    return total


KINDS = pytest.mark.parametrize("kind", ATTENTIONS)
PREFIXES = pytest.mark.parametrize("prefix", [0, 1, 3])


@KINDS
@PREFIXES
class TestAgainstLoops:
    def test_attention(self, kind, prefix):
        net, x = _net(kind, prefix=prefix), _batch()
        for depth, layer in ((-1, 2), (0, 0), (1, 1)):
            maps = get_method("attention").attribute(ToySubject(net, x), depth=depth)
            assert maps.shape == (2, 3, 8, 8)
            for sample, unit in ((0, 0), (1, 0), (1, 2)):
                _, seen = _forward(net, x[sample : sample + 1])
                torch.testing.assert_close(maps[sample, unit], _read(seen[layer].mean(0), net, x))

    def test_rollout(self, kind, prefix):
        net, x = _net(kind, prefix=prefix), _batch()
        maps = get_method("attention-rollout").attribute(ToySubject(net, x))
        for sample, unit in ((0, 0), (1, 0), (1, 2)):
            _, seen = _forward(net, x[sample : sample + 1])
            torch.testing.assert_close(maps[sample, unit], _read(_rolled(seen), net, x))


@torch.no_grad()
def _slope(net, x, layer, unit, count):
    """Differentiate a score by every attention weight of a layer, by nudging one after the other."""
    slope, step = torch.zeros(2, count, count, dtype=torch.float64), 1e-6
    for place in range(slope.numel()):
        nudge = torch.zeros(slope.numel(), dtype=torch.float64)
        nudge[place] = step
        up, down = (
            _forward(net, x, {layer: (sign * nudge).reshape(slope.shape)})[0][unit] for sign in (1, -1)
        )
        slope.view(-1)[place] = (up - down) / (2 * step)
    return slope


@KINDS
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("prefix", [0, 1])
def test_gradient_rollout_against_nudged_weights(kind, frozen, prefix):
    net, x = _net(kind, sides=(4, 6), prefix=prefix, depth=2, classes=2), _batch((4, 6), batch=2)
    for parameter in net.parameters():
        parameter.requires_grad_(not frozen)
    maps = get_method("gradient-rollout").attribute(ToySubject(net, x))
    assert maps.shape == (2, 2, 4, 6)
    assert all(parameter.grad is None for parameter in net.parameters())
    for unit in range(2):
        _, seen = _forward(net, x[1:])
        total = torch.eye(6 + prefix, dtype=torch.float64)
        for layer, A in enumerate(seen):
            flow = (_slope(net, x[1:], layer, unit, 6 + prefix) * A).clamp(min=0).mean(0)
            total = total + flow @ total
        torch.testing.assert_close(maps[1, unit], _read(total.detach(), net, x), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", _METHODS)
@pytest.mark.parametrize("sides", [(12,), (8, 4), (4, 6, 8)])
def test_any_number_of_axes_and_each_sample_by_itself(name, sides):
    net, x = _net(sides=sides), _batch(sides, batch=3)
    maps = get_method(name).attribute(ToySubject(net, x))
    assert maps.shape == (3, 3, *sides)
    assert maps.dtype == torch.float32
    assert not maps.requires_grad
    assert maps.min() >= 0
    for row in range(3):
        single = get_method(name).attribute(ToySubject(net, x[row : row + 1]))
        torch.testing.assert_close(single[0], maps[row])


@KINDS
@pytest.mark.parametrize("differentiable", [True, False])
def test_the_prediction_is_the_one_that_was_explained(kind, differentiable):
    net, x = _net(kind), _batch()
    recording = record_attention(ToySubject(net, x), differentiable=differentiable)
    torch.testing.assert_close(recording.scores, net(x))
    assert [tuple(one.shape) for one in recording.layers] == [(2, 2, 17, 17)] * 3
    assert recording.grids == [(4, 4)]
    for one in recording.layers:
        torch.testing.assert_close(one.sum(-1), torch.ones_like(one[..., 0]))


def test_only_the_gradient_form_tells_targets_apart():
    net, x = _net(), _batch()
    for name, same in (("attention", True), ("attention-rollout", True), ("gradient-rollout", False)):
        maps = get_method(name).attribute(ToySubject(net, x))
        assert torch.equal(maps[:, 0], maps[:, 1]) == same
    assert "the same for every target" in get_method("attention").summary
    assert "the same for every target" in get_method("attention-rollout").summary


class TestTorchEncoder:
    """``nn.TransformerEncoder`` takes a fast path of its own where nobody watches."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(1, 8, 2, 2)
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.encoder, self.fc = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

        def forward(self, x):
            return self.fc(self.encoder(self.embed(x).flatten(2).transpose(1, 2)).mean(1))

    @pytest.mark.parametrize("name", _METHODS)
    def test_is_seen_all_the_same(self, name):
        torch.manual_seed(0)
        net, x = self.Net().eval(), torch.randn(2, 1, 8, 8)
        with torch.no_grad():
            maps = get_method(name).attribute(ToySubject(net, x))
        assert maps.shape == (2, 3, 8, 8)
        assert maps.std() > 0


class TestRefusals:
    @pytest.mark.parametrize("name", _METHODS)
    def test_a_network_without_attention(self, name):
        subject = ToySubject(seeded(SharedNet), torch.randn(1, 1, 16, 16))
        with pytest.raises(UsageError) as caught:
            get_method(name).attribute(subject)
        assert str(caught.value) == (
            "The model has no attention layers. "
            "Choose a method that does not follow the attention, such as gradcam or rise."
        )

    @pytest.mark.parametrize("name", _METHODS)
    def test_windows(self, name):
        subject = ToySubject(_net(WindowAttention, prefix=0), _batch())
        with pytest.raises(UsageError) as caught:
            get_method(name).attribute(subject)
        number = 2 if name == "attention" else 0
        assert str(caught.value) == (
            f"Attention layer {number} looks at windows of the sample, its weights are (8, 2, 4, 4). "
            "Choose a method that does not follow the attention, such as gradcam or rise."
        )

    @pytest.mark.parametrize("name", ["attention-rollout", "gradient-rollout"])
    def test_tokens_that_are_merged_on_the_way(self, name):
        class Merging(TinyTransformer):
            def forward(self, x):
                tokens = self.embed(x).flatten(2).transpose(1, 2)
                tokens = self.attentions[0](tokens).unflatten(1, (-1, 2)).mean(2)
                return self.fc(self.attentions[1](tokens).mean(1))

        torch.manual_seed(0)
        net = Merging(prefix=0).double().eval()
        with pytest.raises(UsageError) as caught:
            get_method(name).attribute(ToySubject(net, _batch()))
        assert str(caught.value) == (
            "Attention layer 1 leads from 8 to 8 tokens, layer 0 from 16. "
            "Choose the method attention, which reads one layer."
        )
        assert get_method("attention").attribute(ToySubject(net, _batch()), depth=0).shape == (2, 3, 8, 8)

    def test_a_layer_that_is_not_there(self):
        with pytest.raises(UsageError) as caught:
            get_method("attention").attribute(ToySubject(_net(), _batch()), depth=3)
        assert str(caught.value) == "Option 'depth' is 3. The model has 3 attention layers."
