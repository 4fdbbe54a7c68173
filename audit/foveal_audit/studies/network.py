"""The example network of the patent's table: five blocks of two convolutions, fc16, fc5.

Standard library and torch only: this file travels inside the demo's archive as its model file.
"""

from __future__ import annotations

import torch
from torch import nn


def _he(module: nn.Module) -> None:
    """Keep the signal's size through twelve layers (He et al. 2015): without it some seeds never learn."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class PatentNet(nn.Module):
    """Convolutional classifier of US 12,062,225 B2 (description of FIG. 1b) for 96 x 96 grey images.

    Takes float32 (B, 1, 96, 96) in 0 to 1 and returns the logits (B, 5).
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        before = 1
        for number, width in enumerate((8, 16, 32, 64, 64), start=1):
            for half, inner in (("a", before), ("b", width)):
                self.features.add_module(f"conv{number}{half}", nn.Conv2d(inner, width, 3, padding=1))
                self.features.add_module(f"relu{number}{half}", nn.ReLU())
            self.features.add_module(f"pool{number}", nn.MaxPool2d(2))
            before = width
        self.fc1 = nn.Linear(64 * 3 * 3, 16)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(16, 5)
        self.apply(_he)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify a batch (B, 1, 96, 96) into logits (B, 5)."""
        return torch.as_tensor(self.fc2(self.relu(self.fc1(self.features(x).flatten(1)))))
