"""Tokens and channels-last outputs become grids by themselves, and read as a transformer's author would."""

from __future__ import annotations

import pytest
import torch
from small_nets import ResidualNet, seeded
from torch import nn

import foveal
from foveal.capture import Tap, TopClass, choose_layer, choose_node_layer
from foveal.capture.grids import Layout, read_layout
from foveal.errors import UsageError


class Attention(nn.Module):
    def __init__(self, width, batch_first):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=batch_first)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens):
        normed = self.ln_1(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return tokens + self.mlp(self.ln_2(tokens))


class Transformer(nn.Module):
    """Patches of 4 in any number of axes, `prefix` learned tokens; reads the first of them, or the mean."""

    def __init__(self, sides=(16, 24), prefix=1, batch_first=True, width=8):
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(sides)]
        self.patches = conv(1, width, 4, 4)
        self.tokens = nn.Parameter(torch.randn(1, prefix, width))
        self.blocks = nn.Sequential(*[Attention(width, batch_first) for _ in range(3)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)
        self.batch_first, self.prefix = batch_first, prefix

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.tokens.expand(len(x), -1, -1), tokens], 1)
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        tokens = self.norm(self.blocks(tokens))
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        return self.head(tokens[:, 0] if self.prefix else tokens.mean(1))


class ChannelsLast(nn.Module):
    """Two stages of Swin's layout: (B, H, W, C), merging patches in between."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.stage1 = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())
        self.merge = nn.Linear(32, 16)
        self.stage2 = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 16), nn.GELU())
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.stage1(self.patches(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)
        return self.head(self.stage2(self.merge(x)).mean((1, 2)))


def rand(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("sides", "prefix", "batch_first", "kind", "grid"),
    [
        ((16, 24), 1, True, "tokens", (4, 6)),
        ((16, 24), 0, True, "tokens", (4, 6)),
        ((16, 16), 2, True, "tokens", (4, 4)),
        ((16, 24), 5, True, "tokens", (4, 6)),
        ((16, 24), 1, False, "tokens-first", (4, 6)),
        ((40,), 1, True, "tokens", (10,)),
        ((8, 8, 12), 1, True, "tokens", (2, 2, 3)),
    ],
)
def test_tokens_are_read_as_the_patches_grid(sides, prefix, batch_first, kind, grid):
    model = seeded(lambda: Transformer(sides, prefix, batch_first))
    x = rand(2, 1, *sides)
    layer = choose_layer(model, x)
    # Behind the last attention the class token alone leads on.
    assert layer == ("blocks.1" if prefix else "norm")
    with Tap(model, layer) as tap:
        forward = tap.forward(x)
        assert forward.layout == Layout(kind, grid, prefix)
        assert forward.activations.shape == (2, 8, *grid)
        gradients = forward.gradients([TopClass()])
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _a, output: kept.append(output))
    scores = model(x)
    handle.remove()
    (naive,) = torch.autograd.grad(scores.max(1).values.sum(), kept[0])
    naive = naive if batch_first else naive.transpose(0, 1)
    patch = next(iter(torch.cartesian_prod(*[torch.arange(side) for side in grid]).view(-1, len(grid))[-1:]))
    torch.testing.assert_close(gradients[(slice(None), 0, slice(None), *patch)], naive[:, -1])
    torch.testing.assert_close(gradients[:, 0].flatten(2), naive[:, prefix:].transpose(1, 2))


def test_a_layer_where_only_the_class_token_leads_on_is_refused():
    model, x = seeded(Transformer), rand(1, 1, 16, 24)
    for layer in ("norm", "blocks.-1", "blocks.2.mlp"):
        with pytest.raises(UsageError) as caught:
            foveal.explain(model, x, layer=layer)
        shown = layer.replace("-1", "2")
        assert str(caught.value) == (
            f"No patch token of layer '{shown}' leads to the target, only the class token does. "
            "Choose the layer before the last attention, or --layer auto."
        )
    assert foveal.explain(model, x, layer="blocks.-1.ln_1").layer == "blocks.2.ln_1"


def test_the_nodes_of_tokens_are_those_of_the_class_token():
    model, x = seeded(Transformer), rand(2, 1, 16, 24)
    assert choose_node_layer(model, x) == "norm"
    with Tap(model, "blocks.0", ["norm"]) as tap:
        forward = tap.forward(x)
        assert torch.equal(model.head(forward.nodes["norm"]), forward.output)
        assert forward.grids["norm"].shape == (2, 8, 4, 6)


def test_channels_last_is_read_as_channels_last():
    model, x = seeded(ChannelsLast), rand(2, 3, 32, 48)
    # The head takes the average: there the last resolution is exact.
    assert choose_layer(model, x) == "stage2"
    with Tap(model, "stage1", ["stage2"]) as tap:
        forward = tap.forward(x)
        assert forward.activations.shape == (2, 8, 8, 12)
        assert forward.grids["stage2"].shape == (2, 16, 4, 6)
        maps = forward.attribute([TopClass()])
    assert maps.shape == (2, 1, 8, 12)


def test_a_table_of_biases_is_no_layer_of_samples():
    """Swin v2 makes its relative positions by a small network that never sees a sample."""

    class WithTable(ChannelsLast):
        def __init__(self):
            super().__init__()
            self.table = nn.Linear(2, 8)

        def forward(self, x):
            bias = self.table(torch.zeros(1, 4, 6, 2))
            return super().forward(x) + bias.mean()

    assert choose_layer(seeded(WithTable), rand(1, 3, 32, 48)) == "stage2"


def test_square_convolutional_outputs_stay_channels_first():
    """(B, 16, 16, 16) could be either; without a norm over the last axis it is what convolutions give."""
    module = nn.Conv2d(1, 16, 1)
    assert read_layout(module, module, torch.zeros(1, 16, 16, 16), torch.zeros(1, 1, 16, 16)) == Layout()
    norm = nn.LayerNorm(12)
    x = torch.zeros(1, 1, 16, 16)
    assert read_layout(norm, norm, torch.zeros(1, 8, 8, 12), x) == Layout("channels-last")
    assert read_layout(norm, norm, torch.zeros(1, 12), x) is None
    assert read_layout(norm, norm, torch.zeros(1, 211, 12), x) is None


@pytest.mark.parametrize("method", ["gradcam", "layercam", "hirescam", "gradcam++"])
def test_layer_methods_on_tokens_equal_those_on_the_same_numbers_as_a_grid(method):
    class AsGrid(Transformer):
        """The same network, its second block's output passed through a grid."""

        def __init__(self):
            super().__init__()
            self.grid = nn.Identity()

        def forward(self, x):
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.tokens.expand(len(x), -1, -1), tokens], 1)
            tokens = self.blocks[1](self.blocks[0](tokens))
            grid = self.grid(tokens[:, 1:].transpose(1, 2).reshape(len(x), 8, 4, 6))
            tokens = torch.cat([tokens[:, :1], grid.flatten(2).transpose(1, 2)], 1)
            return self.head(self.norm(self.blocks[2](tokens))[:, 0])

    x = rand(2, 1, 16, 24)
    ours = foveal.explain(seeded(Transformer), x, layer="blocks.1", targets=["top", "class:2"], method=method)
    twin = foveal.explain(seeded(AsGrid), x, layer="grid", targets=["top", "class:2"], method=method)
    torch.testing.assert_close(ours.maps, twin.maps)


def test_outputs_with_positions_have_pixels_and_segments():
    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.head = ResidualNet(), nn.Conv2d(12, 3, 1)

        def forward(self, x):
            net = self.features
            return {"out": self.head(net.layer2(net.layer1(torch.relu(net.stem(x)))))}

    model, x = seeded(Segmenter), rand(2, 3, 32, 32)
    with torch.no_grad():
        out = model(x)["out"]
    label = int(out.argmax(1).flatten().mode().values)
    units = ["class:1", "pixel:1,2,3", f"segment:{label}", "class:1@max", "top"]
    explanation = foveal.explain(model, x, layer="features.layer1", targets=units, method="hirescam")
    assert torch.equal(explanation.output, out)

    def naive(scalar):
        leaf = model.features.layer1(torch.relu(model.features.stem(x))).detach().requires_grad_()
        scores = model.head(model.features.layer2(leaf))
        (gradient,) = torch.autograd.grad(scalar(scores).sum(), leaf)
        return (gradient * leaf).sum(1).detach()

    inside = out.argmax(1) == label
    scalars = [
        lambda s: s[:, 1].mean((1, 2)),
        lambda s: s[:, 1, 2, 3],
        lambda s: (s[:, label] * inside).sum((1, 2)) / inside.sum((1, 2)),
        lambda s: s[:, 1].amax((1, 2)),
        lambda s: s.mean((2, 3)).max(1).values,
    ]
    for number, scalar in enumerate(scalars):
        torch.testing.assert_close(explanation.maps[:, number], naive(scalar), rtol=1e-4, atol=1e-6)
    for unit, message in {
        "pixel:1,99,0": (
            "Position 99,0 is not on the grid (8, 8) of layer 'class'. "
            "Give 2 whole numbers below the grid's sides."
        ),
        "pixel:9,0,0": (
            "Feature 'class:9' is out of range: the model has 3 classes. Give an index from 0 to 2."
        ),
        "pixel:1": "Target 'pixel:1' is not one unit. Write top, class:K or LAYER:INDEX.",
        "segment:a": "Target 'segment:a' is not one unit. Write top, class:K or LAYER:INDEX.",
    }.items():
        with pytest.raises(UsageError) as caught:
            foveal.explain(model, x, layer="features.layer1", targets=unit)
        assert str(caught.value) == message
