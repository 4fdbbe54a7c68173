"""Attention rollout: attention followed through all layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject
from foveal.attribution.transformers.recording import check_stack, record_attention
from foveal.attribution.transformers.tokens import find_grid, read_out


@input_method(
    "attention-rollout",
    formula="M = row of A_L ... A_1, A_l = (mean over heads + identity) / 2",
    source="Abnar and Zuidema, ACL 2020, arXiv:2005.00928",
    cost="one forward",
    sanity="passes",
    needs=("attention over the whole sample",),
)
def attribute(subject: Subject) -> Tensor:
    """Follow the attention of all layers down to the patches, the same for every target.

    Parameters
    ----------
    subject
        Of a transformer whose layers all attend over the same tokens.

    Returns
    -------
    Tensor
        Maps (B, K, *S), tokens enlarged to the input's grid; see ``attention``.

    Raises
    ------
    UsageError
        If the model has no attention, attends within windows, changes the number of its tokens, or has tokens
        that form no grid.
    """
    with torch.no_grad():
        recording = record_attention(subject)
        rolled = roll_out([layer.float().mean(1) for layer in check_stack(recording)])
    sides = tuple(subject.x.shape[2:])
    grid, prefix = find_grid(rolled.shape[-1], sides, recording.grids)
    maps = resize(read_out(rolled, grid, prefix)[:, None], sides)
    return maps.expand(-1, subject.count, *sides).clone()


def roll_out(layers: Sequence[Tensor]) -> Tensor:
    """Multiply attentions (B, N, N), the first layer's rightmost, each half what skips it."""
    identity = torch.eye(layers[0].shape[-1], dtype=layers[0].dtype, device=layers[0].device)
    total = identity.expand_as(layers[0])
    for weights in layers:
        mixed = (weights + identity) / 2
        total = mixed / mixed.sum(-1, keepdim=True) @ total
    return total
