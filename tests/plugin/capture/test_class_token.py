"""The last block replayed on the class token alone, against autograd through the whole network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from foveal.capture import ChannelTarget, ClassTarget, NodeTarget, Tap, TopClass
from foveal.capture.class_token import ClassTokenHead

LAYER = "blocks.1.norm1"


class Block(nn.Module):
    """A pre-norm block; `mask` hides the last token, `post` puts more attention behind."""

    def __init__(self, width=12, bias=True):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 3, batch_first=True, bias=bias)
        self.mlp = nn.Sequential(nn.Linear(width, 20), nn.GELU(), nn.Linear(20, width))
        self.mask = None

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False, attn_mask=self.mask)[0]
        return x + self.mlp(self.norm2(x))


class TokenNet(nn.Module):
    """A small vision transformer: patches of 4, a class token, `pool` says what the head reads."""

    def __init__(self, pool="class", bias=True):
        super().__init__()
        self.patches = nn.Conv2d(1, 12, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 12))
        self.blocks = nn.Sequential(Block(bias=bias), Block(bias=bias))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)
        self.pool = pool

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1)
        tokens = self.norm(self.blocks(tokens))
        return self.head(tokens[:, 0] if self.pool == "class" else tokens[:, 1:].mean(1))


@pytest.fixture
def x():
    return torch.randn(3, 1, 16, 12, generator=torch.Generator().manual_seed(1))


def net(**options):
    torch.manual_seed(0)
    made = TokenNet(**options).eval()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return made


def taps(model, x, nodes=("norm",)):
    known, plain = Tap(model, LAYER, nodes), Tap(model, LAYER, nodes)
    known.calibrate(x)
    return known, plain


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_those_of_autograd(x, bias, dtype):
    model, x = net(bias=bias).to(dtype), x.to(dtype)
    known, plain = taps(model, x)
    one, other = known.forward(x), plain.forward(x)
    assert isinstance(one.head, ClassTokenHead)
    assert not one.leaf.requires_grad
    targets = [
        TopClass(),
        ClassTarget(2),
        NodeTarget("norm", torch.tensor([3, -1, 11])),
        NodeTarget("norm", 4),
    ]
    for chosen in (targets, targets[:1], targets[2:]):
        ours, truth = one.gradients(chosen), other.gradients(chosen)
        assert (ours - truth).norm() <= 1e-5 * truth.norm()


def test_any_batch(x):
    known, plain = taps(net(), x)
    other = torch.randn(5, 1, 16, 12)
    ours, truth = known.forward(other).attribute([TopClass()]), plain.forward(other).attribute([TopClass()])
    assert (ours - truth).norm() <= 1e-5 * truth.norm()


def test_the_prediction_is_the_plain_one_to_the_last_bit(x):
    model = net()
    known, _ = taps(model, x)
    with torch.inference_mode():
        plain = model(x)
    assert known.calibrate(x)
    assert torch.equal(known.forward(x).output, plain)


@pytest.mark.parametrize("nodes", [("blocks.1.mlp",), ("blocks.1",)])
def test_nodes_off_the_way_take_the_graph(x, nodes):
    known, plain = taps(net(), x, nodes)
    one, target = known.forward(x), NodeTarget(nodes[0], 2)
    assert one.leaf.requires_grad
    assert torch.equal(one.attribute([target]), plain.forward(x).attribute([target]))


def test_a_position_of_the_tokens_runs_the_forward_again(x):
    known, plain = taps(net(), x)
    target = ChannelTarget("norm", 2, (1, 1))
    ours = known.forward(x).attribute([target])
    assert torch.equal(ours, plain.forward(x).attribute([target]))
    assert ours.any()


def test_masked_attention_runs_the_forward_again(x):
    model = net()
    known, plain = taps(model, x)
    mask = torch.zeros(13, 13, dtype=torch.bool)
    mask[0, 5:] = True
    model.blocks[1].mask = mask
    ours = known.forward(x).attribute([TopClass()])
    assert torch.equal(ours, plain.forward(x).attribute([TopClass()]))


def test_networks_that_read_all_tokens_are_left_alone(x):
    known, _ = taps(net(pool="mean"), x)
    assert known.forward(x).leaf.requires_grad


def test_an_earlier_block_is_left_alone(x):
    tap = Tap(net(), "blocks.0.norm1")
    tap.calibrate(x)
    assert tap.forward(x).leaf.requires_grad


def test_a_changed_weight_shows(x):
    model = net()
    known, plain = taps(model, x)
    with torch.no_grad():
        model.blocks[1].attention.in_proj_weight.mul_(1.5)
    ours, truth = known.forward(x).attribute([TopClass()]), plain.forward(x).attribute([TopClass()])
    assert (ours - truth).norm() <= 1e-5 * truth.norm()


def test_the_model_is_as_before(x):
    model = net().requires_grad_(False)
    for tap in taps(model, x):
        tap.forward(x).attribute([TopClass()])
        tap.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_under_inference_mode(x):
    known, plain = taps(net(), x)
    with torch.inference_mode():
        ours = known.forward(x.clone()).attribute([TopClass()])
    truth = plain.forward(x).attribute([TopClass()])
    assert (ours - truth).norm() <= 1e-5 * truth.norm()
