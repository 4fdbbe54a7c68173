"""Vector-Jacobian products of many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from foveal.capture.pooling import find_pool
from foveal.errors import UsageError

#: Bytes of gradients that one batched backward may hold; more targets go in several.
_CHUNK_BYTES = 64 * 2**20
#: float16 loses gradients below 6e-8: cotangents are scaled up before, gradients down after.
_HALF_SCALE = 2.0**10


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
    gradients = _differentiate(tensors, goal, weights)
    wide = gradients.float() if gradients.dtype in _NARROW else gradients
    return wide / scale if scale != 1.0 else wide


_NARROW = (torch.float16, torch.bfloat16)


def _differentiate(tensors: list[Tensor], goal: Tensor | GradientEdge, weights: list[Tensor]) -> Tensor:
    """Vector-Jacobian products of a stack of cotangents, in one batched backward where torch can."""
    if len(weights[0]) == 1:
        return _gradient(tensors, goal, [weight[0] for weight in weights], batched=False)[None]
    # Some operations cannot be batched, and say so in many words; a true fault shows again below.
    with suppress(RuntimeError):
        return _gradient(tensors, goal, weights, batched=True)
    singles = zip(*(weight.unbind(0) for weight in weights), strict=True)
    return torch.stack([_gradient(tensors, goal, list(single), batched=False) for single in singles])


def _gradient(
    tensors: list[Tensor], goal: Tensor | GradientEdge, weights: list[Tensor], *, batched: bool
) -> Tensor:
    (gradient,) = torch.autograd.grad(
        tensors, goal, weights, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    if gradient is None:
        raise UsageError("The map's layer does not lead to the target", "Choose another --layer for the map")
    return gradient.detach()
