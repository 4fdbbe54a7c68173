"""Vector-Jacobian products of many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from foveal.capture.backward import differentiate
from foveal.capture.linear_rows import step_before
from foveal.capture.pooling import find_pool

#: Bytes of gradients that one batched backward may hold; more targets go in several.
_CHUNK_BYTES = 64 * 2**20
#: float16 loses gradients below 6e-8: cotangents are scaled up before, gradients down after.
_HALF_SCALE = 2.0**10
_NARROW = (torch.float16, torch.bfloat16)


def pull_back(rows: Sequence[tuple[Tensor, Tensor]], leaf: Tensor) -> Tensor:
    """Send cotangents back to a leaf.

    Parameters
    ----------
    rows
        Per target the tensor that it is made of and its cotangent, of the same shape.
    leaf
        What to differentiate by.

    Returns
    -------
    Tensor
        Gradients (K, *leaf.shape), detached, float32 at least.

    Raises
    ------
    UsageError
        If the leaf does not lead to a target.
    """
    pool = find_pool([tensor for tensor, _ in rows], leaf)
    goal = leaf if pool is None else pool
    step = max(1, _CHUNK_BYTES // max(1, 4 * leaf.numel())) if pool is None else len(rows)
    chunks = [_chunk(rows[start : start + step], goal, leaf.dtype) for start in range(0, len(rows), step)]
    gradients = chunks[0] if len(chunks) == 1 else torch.cat(chunks)
    return gradients if pool is None else _unpool(gradients, leaf)


def _unpool(gradients: Tensor, leaf: Tensor) -> Tensor:
    """Spread gradients (K, B, C, ..) of the mean over all positions; a view, nothing is written out."""
    each = gradients.reshape(*gradients.shape[:3], *[1] * (leaf.ndim - 2)) / prod(leaf.shape[2:])
    return each.expand(len(each), *leaf.shape)


def _chunk(rows: Sequence[tuple[Tensor, Tensor]], goal: Tensor | GradientEdge, dtype: torch.dtype) -> Tensor:
    """Send as many rows back as memory allows; several tensors may carry them."""
    tensors = list({id(tensor): tensor for tensor, _ in rows}.values())
    scale = _HALF_SCALE if dtype == torch.float16 else 1.0
    weights = [
        torch.stack([row * scale if own is tensor else torch.zeros_like(tensor) for own, row in rows])
        for tensor in tensors
    ]
    starts = [step_before(tensor, weight) for tensor, weight in zip(tensors, weights, strict=True)]
    gradients = differentiate([start for start, _ in starts], goal, [weight for _, weight in starts])
    wide = gradients.float() if gradients.dtype in _NARROW else gradients
    return wide / scale if scale != 1.0 else wide
