"""Gradient-weighted rollout: the attention that speaks for a target, followed through all layers."""

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
    "gradient-rollout",
    formula="M = row of R, R <- R + mean over heads of ReLU(dS/dA A) R, layer by layer",
    source="Chefer, Gur and Wolf, ICCV 2021, arXiv:2103.15679",
    cost="one backward",
    sanity="passes",
    needs=("attention over the whole sample",),
)
def attribute(subject: Subject) -> Tensor:
    """Follow the attention that raises the target's score; unlike plain rollout it tells targets apart.

    Parameters
    ----------
    subject
        Of a transformer whose layers all attend over the same tokens.

    Returns
    -------
    Tensor
        Maps (B, K, *S), at least 0, tokens enlarged to the input's grid.

    Raises
    ------
    UsageError
        If the model has no attention, attends within windows, changes the number of its tokens, or has tokens
        that form no grid.
    """
    with torch.enable_grad():
        recording = record_attention(subject, differentiable=True)
        layers = check_stack(recording)
        scores = torch.as_tensor(recording.scores)
        rolled = torch.stack(
            [
                _relevance([layer.detach() for layer in layers], _slopes(one, layers))
                for one in scores.unbind(1)
            ],
            1,
        )
    sides = tuple(subject.x.shape[2:])
    grid, prefix = find_grid(rolled.shape[-1], sides, recording.grids)
    return resize(read_out(rolled, grid, prefix), sides)


def _slopes(score: Tensor, layers: Sequence[Tensor]) -> Sequence[Tensor]:
    """Differentiate one unit's values (B,) by every layer's weights; zero where they have no say."""
    slopes = torch.autograd.grad(score.sum(), layers, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(layer) if one is None else one for one, layer in zip(slopes, layers, strict=True)
    ]


def _relevance(layers: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
    """Add up what flows along attention that raises the score: (B, N, N)."""
    tokens = layers[0].shape[-1]
    total = torch.eye(tokens, device=layers[0].device).expand(len(layers[0]), tokens, tokens)
    for weights, slope in zip(layers, slopes, strict=True):
        total = total + (slope * weights).clamp(min=0).mean(1).float() @ total
    return total
