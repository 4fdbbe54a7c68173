"""A narrow ResNet-8: batch normalisation, average over space, one linear layer.

Standard library and torch only: this file travels inside an archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn


def _conv(inner: int, width: int, stride: int = 1, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inner, width, side, stride, side // 2, bias=False)


class Block(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inner, width, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width), nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        past = [_conv(inner, width, stride, 1), nn.BatchNorm2d(width)]
        self.past = nn.Sequential(*past) if stride > 1 or inner != width else nn.Sequential()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the two ways (B, C, h, w)."""
        found = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return torch.as_tensor(self.relu2(found + self.past(x)))


class NarrowResNet(nn.Module):
    """Classify (B, 3, 64, 64) into logits (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = _conv(3, 12, 2), nn.BatchNorm2d(12), nn.ReLU()
        self.layer1 = Block(12, 16, 1)
        self.layer2 = Block(16, 28, 2)
        self.layer3 = Block(28, 48, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(48, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch."""
        x = self.relu(self.bn(self.conv(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return torch.as_tensor(self.fc(self.pool(x).flatten(1)))
