"""A small network on volumes of one channel: three convolutions, fc16, fc2.

Standard library and torch only: this file travels inside a demo's archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import max_pool3d


class VolumeNet(nn.Module):
    """Takes float32 (B, 1, D, H, W), each side at least 2, and returns the logits (B, 2).

    What a cell of its last convolution sees is 12 steps wide.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv3d(8, 16, 3, padding=1)
        self.conv3 = nn.Conv3d(16, 16, 3, padding=1)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(16, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch (B, 1, D, H, W) into logits (B, 2)."""
        x = max_pool3d(self.relu(self.conv1(x)), 2)
        x = self.relu(self.conv3(self.relu(self.conv2(x))))
        return torch.as_tensor(self.fc2(self.relu(self.fc1(x.mean((2, 3, 4))))))
