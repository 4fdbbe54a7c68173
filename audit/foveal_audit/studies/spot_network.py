"""A small U-net on samples of any number of axes.

Standard library and torch only: this file travels inside a demo's archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import interpolate

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLINGS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class UNet(nn.Module):
    """Two resolutions and a skip; ``classes`` logits at every position."""

    def __init__(self, axes: int = 2, channels: int = 1, width: int = 6, classes: int = 2) -> None:
        super().__init__()
        conv, self.pool = CONVOLUTIONS[axes], POOLINGS[axes](2)
        self.enc = nn.Sequential(conv(channels, width, 3, padding=1), nn.ReLU())
        self.mid = nn.Sequential(conv(width, width, 3, padding=1), nn.ReLU())
        self.dec = nn.Sequential(conv(2 * width, width, 3, padding=1), nn.ReLU())
        self.out = conv(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits (B, classes, *S) of a batch (B, channels, *S), its sides even."""
        fine = self.enc(x)
        coarse = interpolate(self.mid(self.pool(fine)), scale_factor=2)
        return torch.as_tensor(self.out(self.dec(torch.cat([fine, coarse], 1))))
