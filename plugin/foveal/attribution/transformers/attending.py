"""Attention written out: its weights, and what they make of the values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, multi_head_attention_forward

from foveal.attribution.functions import Call
from foveal.errors import UsageError

_SIGNATURE = inspect.signature(multi_head_attention_forward)
#: Arguments of ``nn.MultiheadAttention`` that put keys beside those of the tokens.
_OWN_KEYS = ("bias_k", "bias_v", "add_zero_attn", "static_k", "static_v")


def attention_weights(
    query: Tensor, key: Tensor, bias: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """Compute softmax(Q K^T * scale + bias): (..., N, M) of queries (..., N, d) and keys (..., M, d)."""
    scores = query @ key.transpose(-2, -1) * (1 / sqrt(query.shape[-1]) if scale is None else scale)
    return (scores if bias is None else scores + bias).softmax(-1)


def read_dot_product(call: Call) -> tuple[Tensor, Tensor]:
    """Read a call of ``scaled_dot_product_attention``: weights (..., H, N, M) and values (..., H, M, d)."""
    values = call.values
    query, key, value = values["query"], values["key"], values["value"]
    if values.get("enable_gqa"):
        groups = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(groups, -3) for one in (key, value))
    mask = values.get("attn_mask")
    if values.get("is_causal"):
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    # A boolean mask tells here what is seen.
    bias = _bias(~mask, query) if mask is not None and mask.dtype == torch.bool else mask
    return attention_weights(query, key, bias, values.get("scale")), value


class MultiHead:
    """A call of ``multi_head_attention_forward``, which ``nn.MultiheadAttention`` makes.

    Parameters
    ----------
    call
        The call.

    Raises
    ------
    UsageError
        If it adds keys that are no tokens.
    """

    def __init__(self, call: Call) -> None:
        bound = _SIGNATURE.bind(*call.args, **call.kwargs)
        bound.apply_defaults()
        self.given: Mapping[str, Any] = bound.arguments
        for name in _OWN_KEYS:
            if self.given[name] is not None and self.given[name] is not False:
                raise UsageError(
                    f"The model's attention has keys that are no tokens ({name})",
                    "Choose a method that does not follow the attention, such as rise",
                )
        self.batched = self.given["query"].ndim == 3

    def read(self) -> tuple[Tensor, Tensor]:
        """Give weights (B, H, N, M) and values (B, H, M, d)."""
        query, key, value = (
            self._heads(self.given[name], weight, bias)
            for name, weight, bias in zip(
                ("query", "key", "value"), self._weights(), self._biases(), strict=True
            )
        )
        return attention_weights(query, key, self._mask(query, key)), value

    def result(self, weights: Tensor, value: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give what the function gives: output (N, B, E), and the weights if they were asked for."""
        joined = (weights @ value).permute(2, 0, 1, 3).flatten(2)
        output = linear(joined, self.given["out_proj_weight"], self.given["out_proj_bias"])
        shown = weights.mean(1) if self.given["average_attn_weights"] else weights
        if not self.batched:
            output, shown = output[:, 0], shown[0]
        return output, shown if self.given["need_weights"] else None

    def _weights(self) -> tuple[Tensor, ...]:
        if self.given["use_separate_proj_weight"]:
            return tuple(self.given[f"{one}_proj_weight"] for one in "qkv")
        packed: Tensor = self.given["in_proj_weight"]
        return packed.chunk(3)

    def _biases(self) -> tuple[Tensor | None, ...]:
        packed: Tensor | None = self.given["in_proj_bias"]
        return (None, None, None) if packed is None else packed.chunk(3)

    def _heads(self, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Project tokens (N, B, E) and part the heads: (B, H, N, d)."""
        projected = linear(tokens if self.batched else tokens[:, None], weight, bias)
        heads = projected.reshape(*projected.shape[:2], self.given["num_heads"], -1)
        return heads.permute(1, 2, 0, 3)

    def _mask(self, query: Tensor, key: Tensor) -> Tensor | None:
        """Join both masks to what is added to the scores; booleans tell here what is not seen."""
        total = None
        mask, padding = self.given["attn_mask"], self.given["key_padding_mask"]
        if mask is not None:
            total = _bias(mask, query)
            total = total.reshape(len(query), -1, *total.shape[1:]) if total.ndim == 3 else total
        if padding is not None:
            hidden = _bias(padding, query).reshape(len(key), 1, 1, -1)
            total = hidden if total is None else total + hidden
        return total


def _bias(mask: Tensor, like: Tensor) -> Tensor:
    """Turn a mask that is true where nothing is seen into what is added to the scores."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, -torch.inf)
