"""Networks small enough to run by the hundred, each with one awkward habit of real ones."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

torch.set_num_threads(1)


class PatentNet(nn.Module):
    """The network of US 12,062,225 B2: five blocks of two convolutions, 16 nodes, 5 classes; 96x96 grey."""

    def __init__(self, inplace=False):
        super().__init__()
        layers, width = [], 1
        for wider in (8, 16, 32, 64, 64):
            for _ in range(2):
                layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU(inplace)]
                width = wider
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.fc1 = nn.Linear(576, 16)
        self.relu = nn.ReLU(inplace)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(self.features(x).flatten(1))))


class Block(nn.Module):
    """A bottleneck block whose second convolution strides, beside a shortcut."""

    def __init__(self, width, wider, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 1)
        self.bn1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, stride, 1)
        self.shortcut = nn.Conv2d(width, wider, 1, stride)

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out += self.shortcut(x)
        return torch.relu_(out)


class ResidualNet(nn.Module):
    """Functional and in-place ReLUs, `+=`, batch norm, global average pool, one Linear; 3 channels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.layer1 = nn.Sequential(Block(8, 8, 1), Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 12, 2))
        self.layer3 = nn.Sequential(Block(12, 16, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.stem(x)))))
        return self.fc(self.pool(x).flatten(1))


class FlatResidualNet(ResidualNet):
    """The same, with a head that reads every position by itself; 32x32."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16 * 4 * 4, 3)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.stem(x)))))
        return self.fc(x.flatten(1))


class SharedNet(nn.Module):
    """One ReLU and one pool called again and again; two Linears."""

    def __init__(self, inplace=False):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(24, 7)
        self.fc2 = nn.Linear(7, 3)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.pool(self.relu(conv(x)))
        return self.fc2(self.relu(self.fc1(x.flatten(1))))


class LinearHead(nn.Module):
    """A convolution and one linear step: there HiResCAM is complete."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3)
        self.fc = nn.Linear(5 * 6 * 6, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))


class Blobs(nn.Module):
    """Class 1 counts what is brighter than half, class 0 what is darker; its maps are known by hand."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(2, 2, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.fc1 = nn.Linear(2, 2)
        self.fc2 = nn.Linear(2, 2)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            self.conv1.weight[0], self.conv1.bias[0] = -1 / 9, 0.5
            self.conv1.weight[1], self.conv1.bias[1] = 1 / 9, -0.5
            self.conv2.weight[0, 0, 1, 1] = self.conv2.weight[1, 1, 1, 1] = 1
            self.fc1.weight.copy_(20 * torch.eye(2))
            self.fc2.weight.copy_(torch.tensor([[0.2, 0.0], [0.0, 9.0]]))

    def forward(self, x):
        x = avg_pool2d(self.relu1(self.conv1(x)), 4)
        x = avg_pool2d(self.relu2(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.mean((2, 3)))))


def seeded(kind, *args, seed=0):
    """Make a network of reproducible weights, batch norms included, in eval mode."""
    torch.manual_seed(seed)
    net = kind(*args)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net.eval()
