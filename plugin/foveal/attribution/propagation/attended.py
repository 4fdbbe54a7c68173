"""DeepLIFT through attention: queries, keys and values each get their share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.functions import Call
from foveal.attribution.propagation import rescale
from foveal.attribution.propagation.attention import read_options
from foveal.attribution.propagation.nonlinear import hold
from foveal.attribution.propagation.rescale import Pair
from foveal.attribution.propagation.rules import with_backward_of
from foveal.errors import UsageError

#: Options of attention that have no part in DeepLIFT's rule.
_UNKNOWN = ("attn_mask", "key_padding_mask", "bias_k", "bias_v", "add_zero_attn", "is_causal")


def pass_attention(call: Call, pairs: Sequence[Pair]) -> Tensor:
    """Pass scaled dot-product attention, masked or not."""
    query, key, value = pairs
    values = call.values
    if values.get("enable_gqa"):
        raise _refusal("enable_gqa")
    mask = _mask(values, (query.now.shape[-2], key.now.shape[-2]), query.then)
    return with_backward_of(hold(call), rescale.attend(query, key, value, values.get("scale"), mask).now)


def pass_multi_head(call: Call, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor | None]:
    """Pass ``nn.MultiheadAttention``, which is unmasked: project, attend head by head, project."""
    options = read_options(call)
    for name in _UNKNOWN:
        if options[name] is not None and options[name] is not False:
            raise _refusal(name)
    heads = options["num_heads"]
    query, key, value = (
        pair.map(partial(_project, weight=weight, bias=bias, heads=heads))
        for pair, (weight, bias) in zip(pairs, _projections(options), strict=True)
    )
    mixed = rescale.attend(query, key, value, None, None).now.movedim(-2, 0).flatten(-2)
    result: tuple[Tensor, Tensor | None] = hold(call)
    out = F.linear(mixed, options["out_proj_weight"].detach(), None)
    return with_backward_of(result[0], out), result[1]


def operands(call: Call) -> list[Tensor]:
    """Give queries, keys and values."""
    given = call.values if call.operation == "attention" else read_options(call)
    return [given[name] for name in ("query", "key", "value")]


def _project(x: Tensor, weight: Tensor, bias: Tensor | None, heads: int) -> Tensor:
    """Project (L, [N,] E) and split the result in heads: ([N,] H, L, D)."""
    projected = F.linear(x, weight, bias)
    return projected.reshape(*projected.shape[:-1], heads, -1).movedim(0, -2)


def _projections(options: Mapping[str, Any]) -> list[tuple[Tensor, Tensor | None]]:
    """Give weight and bias of the projections of queries, keys and values."""
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    separate = options["use_separate_proj_weight"]
    weights = [options[name] for name in names] if separate else options["in_proj_weight"].chunk(3)
    bias = options["in_proj_bias"]
    biases = [None] * 3 if bias is None else [part.detach() for part in bias.chunk(3)]
    return [(weight.detach(), part) for weight, part in zip(weights, biases, strict=True)]


def _mask(values: Mapping[str, Any], sides: tuple[int, int], like: Tensor) -> Tensor | None:
    """Make what is added to the scores: next to minus infinity where nothing may be seen."""
    least = torch.finfo(like.dtype).min / 4
    mask = values.get("attn_mask")
    if values.get("is_causal"):
        mask = torch.ones(sides, dtype=torch.bool, device=like.device).tril()
    if mask is None or mask.dtype != torch.bool:
        return None if mask is None else mask.detach().clamp(min=least)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(~mask, least)


def _refusal(name: str) -> UsageError:
    return UsageError(
        f"DeepLIFT has no rule for attention with {name}",
        "Take a method that needs none, such as integrated-gradients or rise",
    )
