"""Networks of ReLUs on one to three axes, and ones with what ReLU methods must weigh or refuse."""

from __future__ import annotations

import torch
from torch import nn

_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Chain(nn.Module):
    """Two convolutions, a pool, two Linears; every activation is `activation`, a function too."""

    def __init__(self, axes=2, activation=torch.relu, channels=2):
        super().__init__()
        self.conv1 = _CONV[axes](channels, 4, 3)
        self.conv2 = _CONV[axes](4, 5, 2)
        self.pool = _POOL[axes](2)
        self.fc1 = nn.Linear(5, 6)
        self.fc2 = nn.Linear(6, 3)
        self.activation = activation

    def forward(self, x):
        x = self.pool(self.activation(self.conv1(x)))
        x = self.activation(self.conv2(x)).flatten(2).mean(-1)
        return self.fc2(self.activation(self.fc1(x)))


class Gated(nn.Module):
    """A convolution weighed by a gate: `weigh` makes the weights of the features and applies them."""

    def __init__(self, weigh):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.squeeze = nn.Linear(4, 4)
        self.fc = nn.Linear(4, 3)
        self.weigh = weigh

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = self.weigh(x, self.squeeze(x.mean((2, 3))))
        return self.fc(x.mean((2, 3)))


class Headed(nn.Module):
    """A hidden layer, and an operation between it and the output."""

    def __init__(self, head):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc1 = nn.Linear(4, 5)
        self.fc2 = nn.Linear(5, 3)
        self.head = head

    def forward(self, x):
        hidden = self.fc1(torch.relu(self.conv(x)).mean((2, 3)))
        return self.fc2(self.head(hidden))


class OneConv(nn.Module):
    """captum's smallest convolutional test network: its maps are published."""

    def __init__(self, inplace=False):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.relu1 = nn.ReLU(inplace)
        self.fc1 = nn.Linear(8, 4)
        self.relu2 = nn.ReLU(inplace)
        with torch.no_grad():
            self.conv1.weight.fill_(1)
            self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
            self.fc1.weight.copy_(torch.tensor([1.0] * 5 + [-1.0] * 3).expand(4, 8))
            self.fc1.bias.zero_()

    def forward(self, x):
        return self.relu2(self.fc1(self.relu1(self.conv1(x)).flatten(1)))


class Weighted(nn.Module):
    """y = rectify(h) @ w, h the sample itself (B, 1, n): what any rule gives is known by hand."""

    def __init__(self, weights, rectify):
        super().__init__()
        self.linear = nn.Linear(len(weights), 1, bias=False)
        self.linear.weight.data = torch.tensor([weights])
        self.rectify = rectify

    def forward(self, x):
        return self.linear(self.rectify(x.flatten(1)))
