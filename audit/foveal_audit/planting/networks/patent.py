"""The patent's network, scaled to 64 x 64 images: blocks of two convolutions, fc16, fc3.

Standard library and torch only: this file travels inside an archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn


class ScaledPatentNet(nn.Module):
    """Classify (B, 3, 64, 64) into logits (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        before = 3
        for number, width in enumerate((8, 16, 32, 40), start=1):
            for half, inner in (("a", before), ("b", width)):
                self.features.add_module(f"conv{number}{half}", nn.Conv2d(inner, width, 3, padding=1))
                self.features.add_module(f"relu{number}{half}", nn.ReLU())
            self.features.add_module(f"pool{number}", nn.MaxPool2d(2))
            before = width
        self.fc1 = nn.Linear(40 * 4 * 4, 16)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(16, 3)
        for module in self.modules():  # He et al. 2015: without it some seeds never learn
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch."""
        return torch.as_tensor(self.fc2(self.relu(self.fc1(self.features(x).flatten(1)))))
