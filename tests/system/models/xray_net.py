"""A small convolutional network for 96 x 96 grey X-rays and two outcomes, in the manner of the patent's."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


def _block(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


class XrayNet(nn.Module):
    """Four blocks of two convolutions, fc16, fc2: (B, 1, 96, 96) to (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 8, 16, 32, 64)
        blocks = (_block(a, b) for a, b in pairwise(widths))
        self.features = nn.Sequential(*(layer for block in blocks for layer in block))
        self.fc1 = nn.Linear(64 * 6 * 6, 16)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.relu(self.fc1(self.features(x).flatten(1))))
