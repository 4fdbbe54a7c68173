"""Which layers are chosen, on networks whose right answer is known."""

from __future__ import annotations

import pytest
import torch
from small_nets import FlatResidualNet, LinearHead, PatentNet, ResidualNet, SharedNet, seeded
from torch import nn

from foveal.capture import choose_layer, choose_node_layer, find_layer, layer_names
from foveal.capture.reach import is_averaged, reach
from foveal.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "shape", "layer", "nodes"),
    [
        # A cell of block 3 sees 32 of 96 pixels, one of block 4 sees 68: too much to say where.
        (PatentNet, (1, 96, 96), "features.13", "fc1"),
        # The head averages over space: there the last resolution is exact.
        (ResidualNet, (3, 32, 32), "layer3", "layer3"),
        # layer3.0.conv1 still has layer2's resolution, but the shortcut runs past it.
        (FlatResidualNet, (3, 32, 32), "layer2", "layer3"),
        # The shared ReLU and pool cannot be told apart by name.
        (SharedNet, (1, 16, 16), "conv2", "fc1"),
        (LinearHead, (1, 8, 8), "conv", "conv"),
    ],
)
def test_choice(kind, shape, layer, nodes):
    model, x = seeded(kind), torch.rand(1, *shape)
    assert choose_layer(model, x) == layer
    assert choose_node_layer(model, x) == nodes


def test_squeeze_linears_between_spatial_layers_are_no_node_layers():
    class Squeeze(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.squeeze = nn.Conv2d(1, 4, 3), nn.Linear(4, 4)
            self.conv2, self.fc = nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            x = self.conv1(x)
            x = self.conv2(x * self.squeeze(x.mean((2, 3)))[:, :, None, None])
            return self.fc(x.mean((2, 3)))

    model, x = seeded(Squeeze), torch.rand(1, 1, 9, 9)
    assert choose_node_layer(model, x) == "conv2"


def test_choosing_leaves_no_trace():
    model, x = seeded(ResidualNet), torch.rand(1, 3, 32, 32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        choose_layer(model, x)
        choose_node_layer(model, x)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_no_spatial_layer_and_no_nodes():
    model, x = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2))), torch.rand(1, 1, 2, 2)
    with pytest.raises(UsageError) as caught:
        choose_layer(model, x)
    assert str(caught.value) == "The model has no layer with a spatial grid. Name one with --layer."
    with pytest.raises(UsageError) as caught:
        choose_node_layer(model, x)
    assert str(caught.value) == (
        "The model has no layer of nodes before its last one. Name features such as 'fc1:7'."
    )


def test_only_shared_layers_at_the_resolution():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x)).flatten(1)

    with pytest.raises(UsageError) as caught:
        choose_layer(Again().eval(), torch.rand(1, 1, 4, 4))
    assert str(caught.value) == "Every layer of grid (4, 4) is called more than once. Name one with --layer."


def test_training_mode_is_refused():
    with pytest.raises(UsageError, match="The model is in training mode"):
        choose_layer(SharedNet(), torch.rand(1, 1, 16, 16))


def test_finding_layers():
    model = seeded(SharedNet)
    assert layer_names(model) == ["conv1", "conv2", "conv3", "relu", "pool", "fc1", "fc2"]
    assert find_layer(model, "fc1") is model.fc1
    for name in ("", "fc11"):
        with pytest.raises(UsageError, match=f"Unknown layer '{name}'. Did you mean"):
            find_layer(model, name)


@pytest.mark.parametrize("layer", ["features.3", "features.8", "features.13", "features.18"])
def test_reach_is_the_receptive_field_by_the_samples_side(layer):
    model, x = seeded(PatentNet), torch.rand(1, 1, 96, 96)
    seen = model.get_submodule(layer)
    shapes = []
    handle = seen.register_forward_hook(lambda _m, _a, out: shapes.append(out.shape[-1]))
    model(x)
    handle.remove()
    field, side = receptive_field(model, layer), shapes[0]
    assert abs(reach(model, x, layer) - field / 96) <= 2 / side
    assert not torch.isnan(model(x)).any()


def receptive_field(model, layer):
    field, stride = 1, 1
    for name, module in model.features.named_children():
        if isinstance(module, nn.Conv2d):
            field += 2 * stride
        elif isinstance(module, nn.MaxPool2d):
            field, stride = field + stride, 2 * stride
        if f"features.{name}" == layer:
            return field
    raise AssertionError(layer)


def test_attention_and_squeeze_reach_everywhere():
    class Squeezed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.fc = nn.Linear(4 * 16 * 16, 2)

        def forward(self, x):
            x = self.conv1(x)
            x = self.conv2(x * torch.sigmoid(x.mean((2, 3), keepdim=True)))
            return self.fc(x.flatten(1))

    model, x = seeded(Squeezed), torch.rand(1, 1, 16, 16)
    assert reach(model, x, "conv1") == 3 / 16
    assert reach(model, x, "conv2") == 1.0


def test_an_averaging_head_is_told_from_one_that_reads_positions():
    x = torch.rand(2, 3, 32, 32)
    assert is_averaged(seeded(ResidualNet), x, "layer3")
    assert not is_averaged(seeded(ResidualNet), x, "layer2")
    assert not is_averaged(seeded(LinearHead), torch.rand(1, 1, 8, 8), "conv")


def test_a_network_that_takes_one_sample_at_a_time():
    class Single(ResidualNet):
        def forward(self, x):
            return self.fc(self.layer3(self.layer2(self.stem(x))).mean((2, 3)).view(1, 16))

    class Shallow(Single):
        def __init__(self):
            super().__init__()
            self.layer2 = nn.Conv2d(8, 12, 3, 2, 1)

    assert choose_layer(seeded(Shallow), torch.rand(1, 3, 32, 32)) == "layer3"
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied \(1x"):
        choose_layer(seeded(SharedNet), torch.rand(1, 1, 32, 32))
