"""Vision transformers small enough to multiply out, one for each way in which attention is written."""

from __future__ import annotations

from math import sqrt

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

torch.set_num_threads(1)

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class ModuleAttention(nn.Module):
    """``nn.MultiheadAttention``."""

    def __init__(self, width, heads):
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, tokens):
        return self.inner(tokens, tokens, tokens, need_weights=False)[0]


class _Projected(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, tokens):
        batch, count, width = tokens.shape
        q, k, v = self.qkv(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.out(self.attend(q, k, v).transpose(1, 2).reshape(batch, count, width))


class FusedAttention(_Projected):
    """``scaled_dot_product_attention``."""

    def attend(self, q, k, v):
        return scaled_dot_product_attention(q, k, v)


class WrittenAttention(_Projected):
    """A softmax of scores, its weights changed in place afterwards."""

    def attend(self, q, k, v):
        weights = (q @ k.transpose(-2, -1) / sqrt(q.shape[-1])).softmax(dim=-1)
        return weights.mul_(1.0) @ v


class FlatAttention(_Projected):
    """The heads laid into the batch."""

    def attend(self, q, k, v):
        batch, heads, count, _ = q.shape
        q, k, v = (one.flatten(0, 1) for one in (q, k, v))
        weights = nn.functional.softmax(torch.bmm(q, k.transpose(1, 2)) / sqrt(q.shape[-1]), 2)
        return torch.bmm(weights, v).reshape(batch, heads, count, -1)


class WindowAttention(_Projected):
    """Attention within windows of neighbouring tokens, as in Swin."""

    def forward(self, tokens, window=4):
        batch, count, width = tokens.shape
        return super().forward(tokens.reshape(-1, window, width)).reshape(batch, count, width)

    def attend(self, q, k, v):
        return scaled_dot_product_attention(q, k, v)


ATTENTIONS = {
    "module": ModuleAttention,
    "fused": FusedAttention,
    "written": WrittenAttention,
    "flat": FlatAttention,
}


class TinyTransformer(nn.Module):
    """A convolution cuts patches; prefix tokens, blocks of attention and ReLU, class token or mean."""

    def __init__(
        self, attention="fused", sides=(8, 8), patch=2, prefix=1, depth=3, channels=1, classes=3, width=8
    ):
        super().__init__()
        tokens = prefix + torch.Size([side // patch for side in sides]).numel()
        self.embed = _CONVOLUTIONS[len(sides)](channels, width, patch, patch)
        self.prefix = nn.Parameter(torch.randn(1, prefix, width))
        self.places = nn.Parameter(torch.randn(1, tokens, width))
        kind = attention if isinstance(attention, type) else ATTENTIONS[attention]
        self.attentions = nn.ModuleList(kind(width, 2) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.mlps = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), patches], 1) + self.places
        for norm, attention, mlp in zip(self.norms, self.attentions, self.mlps, strict=True):
            tokens = tokens + attention(norm(tokens))
            tokens = tokens + torch.relu(mlp(tokens))
        return self.fc(tokens[:, 0] if self.prefix.numel() else tokens.mean(1))
