"""A small network on volumes of one channel."""

import torch
from torch import nn


class VolumeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv3d(6, 8, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(torch.mean(self.features(x), (2, 3, 4)))
