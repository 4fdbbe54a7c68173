"""Backtracking of whole networks: residual, dense, deep, in place, in one to three dimensions."""

import copy

import pytest
import torch
from small_nets import Block, PatentNet, ResidualNet, SharedNet, seeded
from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu


class BasicBlock(nn.Module):
    def __init__(self, width, wider, stride, inplace):
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.relu = nn.ReLU(inplace)
        self.shortcut = nn.Sequential(nn.Conv2d(width, wider, 1, stride, bias=False), nn.BatchNorm2d(wider))
        self.shortcut = self.shortcut if stride > 1 else nn.Identity()
        self.inplace = inplace

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.inplace:
            out += self.shortcut(x)
        else:
            out = out + self.shortcut(x)
        return self.relu(out)


class ResNet20(nn.Module):
    """The CIFAR network of 20 layers: three stages of three blocks."""

    def __init__(self, inplace=False):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(inplace)
        blocks, width = [], 16
        for wider in (16, 32, 64):
            for number in range(3):
                blocks.append(BasicBlock(width, wider, 2 if number == 0 and wider > 16 else 1, inplace))
                width = wider
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(self.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


class DenseNet(nn.Module):
    """Two dense blocks with a transition, as the paper's future work names them."""

    def __init__(self):
        super().__init__()
        self.stem, width, self.steps = nn.Conv2d(1, 6, 3, padding=1), 6, nn.ModuleList()
        for _ in range(4):
            self.steps.append(
                nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 4, 3, padding=1))
            )
            width += 4
        self.fc = nn.Linear(width, 3)

    def forward(self, x):
        features = [self.stem(x)]
        for number, step in enumerate(self.steps):
            if number == 2:
                features = [avg_pool2d(torch.cat(features, 1), 2)]
            features.append(step(torch.cat(features, 1)))
        return self.fc(torch.cat(features, 1).relu().amax((2, 3)))


class SqueezeExcite(nn.Module):
    """Channels scaled by what the whole picture says of them."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = relu(self.conv(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        return self.fc(max_pool2d(x, 6).flatten(1))


NETS = {
    "patent": (PatentNet, (1, 96, 96)),
    "residual": (ResidualNet, (3, 33, 32)),
    "shared": (SharedNet, (1, 16, 16)),
    "resnet20": (ResNet20, (3, 32, 32)),
    "dense": (DenseNet, (1, 12, 12)),
    "gated": (SqueezeExcite, (1, 8, 8)),
}


def batch(shape, size=3, seed=0):
    return torch.rand(size, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", NETS)
def test_samples_do_not_meet(trace, name):
    kind, shape = NETS[name]
    net, x = seeded(kind).double(), batch(NETS[name][1])
    together = trace(net, x, "top", "class:0")
    assert together.counts.shape == (3, 2, *shape[1:])
    assert together.counts.any()
    for sample in range(3):
        alone = trace(net, x[sample : sample + 1], "top", "class:0")
        assert torch.equal(together.counts[sample], alone.counts[0])


@pytest.mark.parametrize("name", NETS)
def test_the_network_is_as_before(trace, name):
    kind, shape = NETS[name]
    net = seeded(kind)
    before, x = copy.deepcopy(net.state_dict()), batch(shape).float()
    kept = x.clone()
    trace(net, x)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    ("kind", "shape"), [(PatentNet, (1, 96, 96)), (SharedNet, (1, 16, 16)), (ResNet20, (3, 32, 32))]
)
def test_in_place_twins_are_equal(trace, kind, shape):
    x, plain, inplace = batch(shape).float(), seeded(kind), seeded(kind, True)
    inplace.load_state_dict(plain.state_dict())
    targets = ["top", "class:1"] + (["blocks.4.bn2:3", "blocks.4.conv2:7@max"] if kind is ResNet20 else [])
    assert torch.equal(trace(plain, x, *targets).counts, trace(inplace, x, *targets).counts)


def test_a_residual_sum_in_place_keeps_both_branches(trace):
    """`out += identity`: the first branch is read as it was before the sum."""

    class Sum(nn.Module):
        def __init__(self, inplace):
            super().__init__()
            self.block, self.inplace = Block(2, 2, 1), inplace

        def forward(self, x):
            out = x * 2
            if self.inplace:
                out += self.block(x)
                out.relu_()
            else:
                out = torch.relu(out + self.block(x))
            return out.flatten(1)

    x = batch((2, 6, 6)).float()
    plain, inplace = seeded(Sum, False), seeded(Sum, True)
    targets = [f"class:{number}" for number in range(0, 72, 5)]
    assert torch.equal(trace(plain, x, *targets).counts, trace(inplace, x, *targets).counts)


def test_many_parts_of_a_dense_network_are_reached(trace):
    found = trace(seeded(DenseNet), batch((1, 12, 12)).float(), "class:0", top_n=None, channels="positive")
    assert (found.counts.flatten(2).gt(0).sum(-1) > 10).all()


def test_deep_and_positive_counts_stay_finite(trace):
    found = trace(seeded(ResNet20), batch((3, 32, 32), 1).float(), channels="positive")
    assert found.counts.isfinite().all()
    assert found.density().isfinite().all()
    assert found.counts.max() > 1e12


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_planted_patch_is_found(trace, axes):
    """A network of matched filters: all that speaks for the class lies where the patch was put."""
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1]
    patch = torch.rand([3] * axes, generator=torch.Generator().manual_seed(axes)) + 0.5
    net = nn.Sequential(
        conv(1, 2, 3, padding=1), nn.ReLU(True), pool(2), nn.Flatten(), nn.Linear(2 * 6**axes, 2)
    )
    net[0].weight.data[0, 0], net[0].weight.data[1, 0] = patch, -patch
    net[0].bias.data[:] = -float((patch**2).sum()) * 0.8
    net[-1].weight.data[:] = torch.tensor([[1.0], [-1.0]])
    x = 0.05 * torch.rand(4, 1, *[12] * axes, generator=torch.Generator().manual_seed(9))
    corners = [[0] * axes, [9] * axes, [4] * axes, [7, 2, 5][:axes]]
    for sample, corner in enumerate(corners):
        x[(sample, 0, *(slice(one, one + 3) for one in corner))] += patch
    found = trace(net, x, "class:0")
    for sample, corner in enumerate(corners):
        pixels = found.pixels(sample).coordinates
        assert len(pixels)
        assert ((pixels >= torch.tensor(corner)) & (pixels < torch.tensor(corner) + 3)).all()
        peak = torch.unravel_index(found.density(sigma=1.0)[sample, 0].argmax(), x.shape[2:])
        assert all(one <= spot < one + 3 for spot, one in zip(peak, corner, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_small_numbers_are_compared_in_float32(trace, dtype):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 3, 3).to(dtype), nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(relu(self.conv(x.to(dtype))).float().mean((2, 3)))

    net = seeded(Net)
    net.fc.weight.data.abs_()
    net.conv.weight.data.abs_()
    assert trace(net, batch((1, 8, 8)).float()).counts.any()


def test_it_works_under_inference_mode_and_with_frozen_weights(trace):
    net, x = seeded(ResidualNet), batch((3, 33, 32)).float()
    usual = trace(net, x).counts
    net.requires_grad_(False)
    with torch.inference_mode():
        assert torch.equal(trace(net, x.clone()).counts, usual)
