"""A small network on traces of one channel: three convolutions, fc16, fc2.

Standard library and torch only: this file travels inside a demo's archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn


class TraceNet(nn.Module):
    """Takes float32 (B, 1, T), T at least 64, and returns the logits (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        before = 1
        for number, (width, side, stride) in enumerate(((12, 15, 2), (24, 9, 2), (32, 5, 2)), start=1):
            convolution = nn.Conv1d(before, width, side, stride=stride, padding=side // 2)
            self.features.add_module(f"conv{number}", convolution)
            self.features.add_module(f"relu{number}", nn.ReLU())
            before = width
        self.fc1 = nn.Linear(before, 16)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch (B, 1, T) into logits (B, 2)."""
        return torch.as_tensor(self.fc2(self.relu(self.fc1(self.features(x).mean(2)))))
