"""Receptive fields: against fields counted by hand, and a twin that moves one point after the other."""

import numpy as np
import pytest
import torch
from small_segmenters import UNet, positive
from torch import nn

from foveal.segmenting.fields import FieldBook, fields_of


def twin(net, x, layer):
    """Move every point of the input by itself and see which positions of the layer follow."""
    kept = []
    handle = net.get_submodule(layer).register_forward_hook(lambda _m, _a, output: kept.append(output))
    sides = x.shape[2:]
    with torch.no_grad():
        net(x)
        reads = []
        for point in np.ndindex(*sides):
            moved = x.clone()
            moved[(slice(None), slice(None), *point)] += 1
            net(moved)
            reads.append((kept[-1] != kept[0])[0].any(0).numpy())
    handle.remove()
    reads = np.stack(reads).reshape(*sides, *reads[0].shape)
    starts, stops = [], []
    for axis in range(len(sides)):
        others = tuple(a for a in range(reads.ndim) if a not in (axis, len(sides) + axis))
        along = reads.any(axis=others)
        starts.append(along.argmax(0))
        stops.append(len(along) - along[::-1].argmax(0))
    return starts, stops


def same_as_twin(net, x, layer):
    found = fields_of(net, x, layer)
    starts, stops = twin(net, x, layer)
    for own, other in zip((*found.starts, *found.stops), (*starts, *stops), strict=True):
        assert own.tolist() == other.tolist()
    return found


def test_a_convolution_reads_its_kernel():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1))
    found = fields_of(net, torch.zeros(1, 1, 8, 8), "0")
    assert found.box((0, 0)) == (0, 0, 2, 2)  # cut off by the border
    assert found.box((3, 4)) == (2, 3, 5, 6)
    assert found.box((7, 7)) == (6, 6, 8, 8)
    assert found.share == 3 / 8


def test_stride_and_dilation_and_no_padding():
    # 3 taps, 2 apart: 5 points from 2i; the second, stride 2, 2 taps: 5 + 2 points from 4i.
    net = nn.Sequential(nn.Conv1d(1, 1, 3, stride=2, dilation=2), nn.Conv1d(1, 1, 2, stride=2))
    found = fields_of(net, torch.zeros(1, 1, 32), "1")
    assert [found.box((at,)) for at in range(7)] == [(4 * at, 4 * at + 7) for at in range(7)]


def test_pooling_and_upsampling_share_blocks():
    net = nn.Sequential(nn.MaxPool1d(4), nn.Upsample(scale_factor=4), nn.Conv1d(1, 1, 1))
    found = fields_of(net, torch.zeros(1, 1, 32), "2")
    assert [found.box((at,)) for at in range(32)] == [(at // 4 * 4, at // 4 * 4 + 4) for at in range(32)]


def test_what_a_stride_skips_belongs_to_no_field():
    found = fields_of(nn.Sequential(nn.Conv2d(1, 1, 1, stride=2)), torch.zeros(1, 1, 16, 16), "0")
    assert found.box((3, 5)) == (6, 10, 7, 11)


@pytest.mark.parametrize("side", [24, 28])
def test_unet_as_its_twin(side):
    torch.manual_seed(0)
    found = same_as_twin(positive(UNet(1)), torch.rand(1, 1, side), "dec")
    # Positions 11 to 13; of the coarser half 5 and 6, which read 4 to 7: points 8 to 15 and one on each side.
    assert found.box((12,)) == (7, 17)


def test_unet_of_pictures_as_its_twin():
    same_as_twin(positive(UNet(2)), torch.rand(1, 1, 20, 24), "dec")


def test_unet_of_volumes_as_its_twin():
    same_as_twin(positive(UNet(3, width=1)), torch.rand(1, 1, 8, 8, 12), "enc")


def test_sides_that_are_no_multiple_of_the_period_as_their_twin():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ReLU())
    same_as_twin(positive(net), torch.rand(1, 1, 23, 30), "2")


def test_uneven_steps_as_their_twin():
    class Uneven(nn.Module):
        """Brings 12 positions to 8, so that no two neighbours read alike."""

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 3, padding=1)
            self.last = nn.Identity()

        def forward(self, x):
            return self.last(nn.functional.interpolate(self.conv(x), 16, mode="area"))

    same_as_twin(positive(Uneven()), torch.rand(1, 1, 24), "last")


def test_fields_of_most_of_the_sample_say_nothing():
    assert fields_of(UNet(2), torch.zeros(1, 1, 12, 12), "dec") is None


def test_what_mixes_all_positions_has_no_fields():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.InstanceNorm2d(2), nn.Conv2d(2, 2, 1)).eval()
    x = torch.zeros(1, 1, 16, 16)
    assert fields_of(net, x, "0") is not None
    assert fields_of(net, x, "2") is None


def test_a_layer_without_positions_has_no_fields():
    net = nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 2))
    assert fields_of(net, torch.zeros(1, 1, 16), "3") is None


def test_a_large_network_takes_a_forward_per_point_of_a_period():
    net, calls = UNet(2).eval(), []
    net.register_forward_hook(lambda *_: calls.append(1))
    found = fields_of(net, torch.zeros(1, 1, 256, 256), "dec")
    assert found.box((101, 128)) == (97, 123, 107, 133)
    assert len(calls) < 20


def test_a_large_network_without_a_period_has_no_fields():
    net = nn.Sequential(nn.Conv1d(1, 1, 3, stride=2), nn.Conv1d(1, 1, 3))
    assert fields_of(net, torch.zeros(1, 1, 255), "1") is not None
    assert fields_of(net, torch.zeros(1, 1, 257), "1") is None


def test_a_book_measures_once_per_size():
    net, calls = UNet(2).eval(), []
    net.register_forward_hook(lambda *_: calls.append(1))
    book = FieldBook(net)
    first = book.of("dec", torch.zeros(1, 1, 32, 32))
    done = len(calls)
    assert book.of("dec", torch.zeros(5, 1, 32, 32)) is first
    assert len(calls) == done
    assert book.of("dec", torch.zeros(1, 1, 32, 48)).sides == (32, 48)


def test_the_network_is_left_as_it_was():
    net = UNet(2).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fields_of(net, torch.zeros(1, 1, 32, 32), "dec")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
