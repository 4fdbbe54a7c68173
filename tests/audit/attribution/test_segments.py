"""Parts of samples: all positions belong to one, blocks are blocks, superpixels follow edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.errors import UsageError
from foveal_audit.attribution.segments import draw_segments


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(2, 80), st.integers(1, 3))
def test_blocks_cover_everything_and_are_numbered_without_gaps(sides, count, batch):
    parts, players = draw_segments(torch.rand(batch, 2, *sides), count, "blocks")
    assert parts.shape == (batch, *sides)
    assert parts[0].unique().tolist() == list(range(players))
    assert torch.equal(parts[0], parts[-1])


def test_blocks_by_hand():
    parts, players = draw_segments(torch.rand(1, 1, 4, 5), 4, "blocks")
    assert parts[0].tolist() == [[0, 0, 0, 1, 1]] * 2 + [[2, 2, 2, 3, 3]] * 2
    assert players == 4
    parts, players = draw_segments(torch.rand(1, 1, 6), 3, "blocks")
    assert parts[0].tolist() == [0, 0, 1, 1, 2, 2]
    assert players == 3


@pytest.mark.parametrize("sides", [(24, 24), (8, 8, 8)])
def test_superpixels_follow_the_edge(sides):
    x = torch.zeros(1, 3, *sides)
    x[..., : sides[-1] // 2] = 1
    parts, players = draw_segments(x, 12, "slic")
    assert players == 12
    assert parts.max() < 12
    left, right = (set(side.unique().tolist()) for side in (parts[x[:, 0] == 1], parts[x[:, 0] == 0]))
    assert not left & right


def test_superpixels_of_each_sample_by_itself():
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    subject = ToySubject(lambda rows: rows.flatten(1)[:, :2], x)
    maps = get_method("lime").attribute(subject, samples=50, segments=9, kind="slic")
    alone = ToySubject(lambda rows: rows.flatten(1)[:, :2], x[1:])
    torch.testing.assert_close(
        get_method("lime").attribute(alone, samples=50, segments=9, kind="slic")[0], maps[1]
    )


def test_signals_have_no_superpixels():
    with pytest.raises(UsageError) as caught:
        draw_segments(torch.rand(1, 1, 9), 4, "slic")
    assert (
        str(caught.value) == "Superpixels need pixels, the samples are signals. Choose the segments 'blocks'."
    )
