"""Attention written out against torch's own functions, with their masks, scales and groups."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from foveal.attribution.functions import Override
from foveal.attribution.transformers.attending import MultiHead, read_dot_product
from foveal.errors import UsageError


def _random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


_HIDDEN = torch.tensor([[False, True, False, True, False]] * 4)
_DOT_PRODUCTS = {
    "plain": {},
    "boolean mask": {"attn_mask": ~_HIDDEN},
    "additive mask": {"attn_mask": _random(4, 5)},
    "mask of each head": {"attn_mask": _random(2, 6, 4, 5)},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "groups": {"enable_gqa": True},
}


@pytest.mark.parametrize("name", _DOT_PRODUCTS)
def test_dot_product_attention(name):
    options = _DOT_PRODUCTS[name]
    heads = 3 if options.get("enable_gqa") else 6
    query, key, value = _random(2, 6, 4, 8), _random(2, heads, 5, 8), _random(2, heads, 5, 7)
    seen = []

    def handler(call):
        weights, values = read_dot_product(call)
        seen.append(weights)
        return weights @ values

    with Override({"attention": handler}):
        ours = scaled_dot_product_attention(query, key, value, **options)
    torch.testing.assert_close(ours, scaled_dot_product_attention(query, key, value, **options))
    assert seen[0].shape == (2, 6, 4, 5)


_PADDING = torch.tensor([[False] * 5, [True] + [False] * 4])
_MULTI_HEADS = {
    "plain": ({}, {}),
    "no bias": ({"bias": False}, {}),
    "other widths": ({"kdim": 5, "vdim": 7}, {}),
    "batch first": ({"batch_first": True}, {}),
    "boolean mask": ({}, {"attn_mask": _HIDDEN}),
    "additive mask": ({}, {"attn_mask": _random(4, 5)}),
    "mask of each head": ({}, {"attn_mask": _random(2 * 4, 4, 5)}),
    "padding": ({}, {"key_padding_mask": torch.tensor([[False] * 4 + [True], [True] + [False] * 4])}),
    "both masks": (
        {},
        {"attn_mask": _HIDDEN, "key_padding_mask": torch.tensor([[False] * 5, [True] + [False] * 4])},
    ),
    "heads apart": ({}, {"average_attn_weights": False}),
    "no weights": ({}, {"need_weights": False}),
}


@pytest.mark.parametrize("name", _MULTI_HEADS)
def test_multi_head_attention(name):
    built, called = _MULTI_HEADS[name]
    torch.manual_seed(0)
    module = nn.MultiheadAttention(16, 4, dtype=torch.float64, **built).eval()
    query, key, value = (
        _random(4, 2, 16),
        _random(5, 2, built.get("kdim", 16)),
        _random(5, 2, built.get("vdim", 16)),
    )
    if built.get("batch_first"):
        query, key, value = (one.transpose(0, 1) for one in (query, key, value))
    _compare(module, (query, key, value), called, (2, 4, 4, 5))


def test_a_sample_without_a_batch():
    torch.manual_seed(0)
    module = nn.MultiheadAttention(16, 4, dtype=torch.float64).eval()
    _compare(module, (_random(4, 16), _random(5, 16), _random(5, 16)), {}, (1, 4, 4, 5))


def _compare(module, tokens, called, shape):
    seen = []

    def handler(call):
        attention = MultiHead(call)
        weights, values = attention.read()
        seen.append(weights)
        return attention.result(weights, values)

    with Override({"multi_head_attention": handler}):
        output, weights = module(*tokens, **called)
    expected, expected_weights = module(*tokens, **called)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(weights, expected_weights)
    assert seen[0].shape == shape


def test_keys_that_are_no_tokens_are_refused():
    module = nn.MultiheadAttention(16, 4, add_bias_kv=True).eval()
    with Override({"multi_head_attention": MultiHead}), pytest.raises(UsageError) as caught:
        module(*[torch.randn(4, 2, 16)] * 3)
    assert str(caught.value) == (
        "The model's attention has keys that are no tokens (bias_k). "
        "Choose a method that does not follow the attention, such as rise."
    )
