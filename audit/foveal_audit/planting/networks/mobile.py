"""A small network of depthwise and pointwise convolutions, as phones run them.

Standard library and torch only: this file travels inside an archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn


class Separable(nn.Sequential):
    """A depthwise and a pointwise convolution, normalised each."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
        )


class MobileLike(nn.Module):
    """Classify (B, 3, 64, 64) into logits (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.blocks = nn.Sequential(
            Separable(16, 24, 1),
            Separable(24, 32, 2),
            Separable(32, 48, 1),
            Separable(48, 64, 2),
            Separable(64, 64, 1),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch."""
        return torch.as_tensor(self.fc(self.pool(self.blocks(self.stem(x))).flatten(1)))
