"""Tokens on the grid that they came from."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.attribution.transformers.tokens import find_grid, read_out
from foveal.errors import UsageError


@pytest.mark.parametrize(
    ("tokens", "sides", "convolved", "expected"),
    [
        (197, (224, 224), [(14, 14)], ((14, 14), 1)),  # ViT-B/16
        (198, (224, 224), [(14, 14)], ((14, 14), 2)),  # DeiT, with a distillation token
        (201, (224, 224), [(14, 14)], ((14, 14), 5)),  # with four registers
        (196, (224, 224), [(112, 112), (56, 56), (14, 14)], ((14, 14), 0)),  # a convolutional stem
        (97, (128, 192), [(8, 12)], ((8, 12), 1)),  # not square
        (65, (224, 224), [(8, 8)], ((8, 8), 1)),  # patches that overlap: 224 is no multiple of 8
        (197, (224, 224), [], ((14, 14), 1)),  # patches cut without a convolution
        (49, (224, 224), [(56, 56)], ((7, 7), 0)),  # merged patches, as in Swin's last stage
        (33, (256,), [(32,)], ((32,), 1)),
        (65, (32, 32, 32), [(4, 4, 4)], ((4, 4, 4), 1)),
    ],
)
def test_grids_of_known_networks(tokens, sides, convolved, expected):
    assert find_grid(tokens, sides, convolved) == expected


def test_tokens_that_form_no_grid():
    with pytest.raises(UsageError) as caught:
        find_grid(50, (30, 20))
    assert str(caught.value) == (
        "50 tokens form no grid over a sample of (30, 20). "
        "Choose a method that does not follow the attention, such as gradcam or rise."
    )


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 8))
def test_the_embedding_convolution_decides(grid, prefix):
    tokens = torch.Size(grid).numel() + prefix
    sides = tuple(7 * side for side in grid)
    assert find_grid(tokens, sides, [tuple(grid)]) == (tuple(grid), prefix)


def test_rows_that_are_read():
    matrix = torch.arange(25.0).reshape(1, 5, 5)
    assert read_out(matrix, (2, 2), 1).tolist() == [[[1, 2], [3, 4]]]
    assert read_out(matrix, (5,), 0).tolist() == [[10, 11, 12, 13, 14]]
    assert read_out(matrix[:, :1], (2, 2), 1).tolist() == [[[1, 2], [3, 4]]]
