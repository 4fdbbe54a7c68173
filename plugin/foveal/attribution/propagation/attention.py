"""Relevance through ``nn.MultiheadAttention``, whose parts are hidden in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.functions import Call
from foveal.attribution.propagation.linear import Linear, scale_rows
from foveal.attribution.propagation.rules import with_backward_of
from foveal.errors import UsageError

_SIGNATURE = signature(F.multi_head_attention_forward)


def pass_multi_head_attention(call: Call, share: Callable[[Linear], Tensor]) -> tuple[Tensor, Tensor | None]:
    """Pass relevance through the values' projection and the output's, attention weights as constants.

    Raises
    ------
    UsageError
        If keys or values are added to those of the input.
    """
    options = read_options(call)
    with torch.no_grad():
        result: tuple[Tensor, Tensor | None] = call.plain()
        weights = _weights(call, options)
    value = options["value"]
    if not (torch.is_grad_enabled() and value.requires_grad):
        return result
    if weights.shape[-1] != len(value):
        raise UsageError(
            "Relevance has no rule for attention to added keys (add_bias_kv, add_zero_attn)",
            "Take a method that needs none, such as integrated-gradients or rise",
        )
    mixed = _mix(weights, share(_project(value, *_value_projection(options))), options["num_heads"])
    surrogate = share(_project(mixed, options["out_proj_weight"], options["out_proj_bias"]))
    return with_backward_of(result[0], surrogate), result[1]


def read_options(call: Call) -> Mapping[str, Any]:
    """Give all arguments of the call by name, defaults included."""
    given = _SIGNATURE.bind(*call.args, **call.kwargs)
    given.apply_defaults()
    return given.arguments


def _weights(call: Call, options: Mapping[str, Any]) -> Tensor:
    """Give the attention weights (..., heads, targets, sources), by the operation itself."""
    asked = {**options, "need_weights": True, "average_attn_weights": False}
    weights: Tensor = call.function(**asked)[1]
    return weights


def _value_projection(options: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    separate = options["use_separate_proj_weight"]
    weight = options["v_proj_weight"] if separate else options["in_proj_weight"].chunk(3)[2]
    bias = options["in_proj_bias"]
    return weight, None if bias is None else bias.chunk(3)[2]


def _project(x: Tensor, weight: Tensor, bias: Tensor | None) -> Linear:
    return Linear("linear", x, weight.detach(), None if bias is None else bias.detach(), F.linear, scale_rows)


def _mix(weights: Tensor, values: Tensor, heads: int) -> Tensor:
    """Mix values (sources, [batch,] width) by weights ([batch,] heads, targets, sources)."""
    per_head = values.reshape(*values.shape[:-1], heads, -1).movedim(0, -2)
    # The heads lie side by side in the result.
    return torch.matmul(weights, per_head).movedim(-2, 0).flatten(-2)
