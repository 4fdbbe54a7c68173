"""Small segmentation networks: toys whose fields can be counted, and a U-net of any number of axes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import interpolate

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLINGS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class UNet(nn.Module):
    """Two resolutions and a skip; `classes` logits at every position."""

    def __init__(self, axes=2, channels=1, width=6, classes=2):
        super().__init__()
        conv, self.pool = CONVOLUTIONS[axes], POOLINGS[axes](2)
        self.enc = nn.Sequential(conv(channels, width, 3, padding=1), nn.ReLU())
        self.mid = nn.Sequential(conv(width, width, 3, padding=1), nn.ReLU())
        self.dec = nn.Sequential(conv(2 * width, width, 3, padding=1), nn.ReLU())
        self.out = conv(width, classes, 1)

    def forward(self, x):
        fine = self.enc(x)
        coarse = interpolate(self.mid(self.pool(fine)), scale_factor=2)
        return self.out(self.dec(torch.cat([fine, coarse], 1)))


def positive(net):
    """Make every weight and bias positive: then every input that is read moves the output."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.1)
    return net.eval()
