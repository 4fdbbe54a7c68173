"""Layouts in memory: the fast one where the answers stay the same, the usual one elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from foveal_audit.layouts import Arrangement


class Viewing(nn.Module):
    """Counts on the usual layout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).view(len(x), -1)


class Striding(Viewing):
    """Reads memory as it lies: no error, other answers."""

    def forward(self, x):
        return super().forward(torch.as_strided(x, x.shape, torch.empty(x.shape).stride()))


class Shaping(Viewing):
    """Does not care."""

    def forward(self, x):
        return self.conv(x).flatten(1)


BATCH = torch.rand(5, 3, 9, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("module", [Viewing, Striding, nn.Flatten])
def test_a_network_that_needs_the_usual_layout_keeps_it(module):
    network = module().eval()
    arranged = Arrangement(network)(BATCH)
    assert arranged is BATCH
    assert torch.equal(network(arranged), network(BATCH))


def test_others_get_the_fast_one():
    network = Shaping().eval()
    arranged = Arrangement(network)(BATCH)
    assert arranged.is_contiguous(memory_format=torch.channels_last)
    assert not arranged.is_contiguous()
    assert torch.equal(arranged, BATCH)
    torch.testing.assert_close(network(arranged), network(BATCH))


def test_it_is_asked_about_once_per_number_of_axes():
    network, calls = Shaping().eval(), []
    network.register_forward_hook(lambda *_: calls.append(1))
    arrange = Arrangement(network)
    arrange(BATCH), arrange(BATCH), arrange(BATCH[:2])
    assert len(calls) == 2


def test_traces_stay_as_they_are():
    trace = BATCH[:, :, 0].contiguous()
    assert Arrangement(nn.Conv1d(3, 2, 3).eval())(trace) is trace
