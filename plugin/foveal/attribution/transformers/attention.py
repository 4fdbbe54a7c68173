"""Attention: what one layer's class token, or its tokens on average, look at."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject
from foveal.attribution.transformers.recording import check_whole, record_attention
from foveal.attribution.transformers.tokens import find_grid, read_out
from foveal.errors import UsageError


@input_method(
    "attention",
    formula="M = mean over heads of softmax(Q K^T / sqrt d), row of the class token",
    source="Vaswani et al., NeurIPS 2017, arXiv:1706.03762; read as a map by Caron et al., arXiv:2104.14294",
    cost="one forward",
    sanity="passes",
    needs=("attention over the whole sample",),
)
def attribute(subject: Subject, *, depth: int = -1) -> Tensor:
    """Show one layer's attention, the same for every target: it does not know what is explained.

    Parameters
    ----------
    subject
        Of a transformer: ``nn.MultiheadAttention``, ``scaled_dot_product_attention``, or a softmax of square
        scores.
    depth
        Which attention layer, from 0, or from the last by negative numbers.

    Returns
    -------
    Tensor
        Maps (B, K, *S), tokens enlarged to the input's grid; on the tokens' grid they are at least 0 and sum
        to what the class token does not keep for itself.

    Raises
    ------
    UsageError
        If the model has no attention, no such layer, one of windows, or tokens that form no grid.
    """
    with torch.no_grad():
        recording = record_attention(subject)
    count = len(recording.layers)
    if not -count <= depth < count:
        raise UsageError(f"Option 'depth' is {depth}", f"The model has {count} attention layers")
    weights = check_whole(recording.layers[depth], depth % count, recording.batch).float().mean(1)
    sides = tuple(subject.x.shape[2:])
    grid, prefix = find_grid(weights.shape[-1], sides, recording.grids)
    maps = resize(read_out(weights, grid, prefix)[:, None], sides)
    return maps.expand(-1, subject.count, *sides).clone()
