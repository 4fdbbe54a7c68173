"""Vector-Jacobian products of many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

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
    step = max(1, _CHUNK_BYTES // max(1, 4 * leaf.numel()))
    chunks = [_chunk(rows[start : start + step], leaf) for start in range(0, len(rows), step)]
    return torch.cat(chunks)


def _chunk(rows: Sequence[tuple[Tensor, Tensor]], leaf: Tensor) -> Tensor:
    """Send as many rows back as memory allows; several tensors may carry them."""
    tensors = list({id(tensor): tensor for tensor, _ in rows}.values())
    scale = _HALF_SCALE if leaf.dtype == torch.float16 else 1.0
    weights = [
        torch.stack([row * scale if own is tensor else torch.zeros_like(tensor) for own, row in rows])
        for tensor in tensors
    ]
    gradients = _differentiate(tensors, leaf, weights)
    wide = gradients.float() if gradients.dtype in _NARROW else gradients
    return wide / scale if scale != 1.0 else wide


_NARROW = (torch.float16, torch.bfloat16)


def _differentiate(tensors: list[Tensor], leaf: Tensor, weights: list[Tensor]) -> Tensor:
    """Vector-Jacobian products of a stack of cotangents, in one batched backward where torch can."""
    if len(weights[0]) > 1:
        # Some operations cannot be batched, and say so in many words; a true fault shows again below.
        with suppress(RuntimeError):
            return _gradient(tensors, leaf, weights, batched=True)
    singles = zip(*(weight.unbind(0) for weight in weights), strict=True)
    return torch.stack([_gradient(tensors, leaf, list(single), batched=False) for single in singles])


def _gradient(tensors: list[Tensor], leaf: Tensor, weights: list[Tensor], *, batched: bool) -> Tensor:
    (gradient,) = torch.autograd.grad(
        tensors, leaf, weights, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    if gradient is None:
        raise UsageError("The map's layer does not lead to the target", "Choose another --layer for the map")
    return gradient.detach()
