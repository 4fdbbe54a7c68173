"""ResNet-20 for CIFAR-10 (He et al. 2015, section 4.2) with the parameter-free shortcut (option A)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, relu


class Shortcut(nn.Module):
    """Every second pixel, and zeros for the channels that are new."""

    def __init__(self, new_channels: int):
        super().__init__()
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        half = self.new_channels // 2
        return pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))


class Block(nn.Module):
    """Two 3x3 convolutions and the shortcut around them."""

    def __init__(self, taken: int, given: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(taken, given, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(given)
        self.conv2 = nn.Conv2d(given, given, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(given)
        self.shortcut = nn.Identity() if stride == 1 else Shortcut(given - taken)

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks with 16, 32 and 64 channels, for 32x32 images and ten classes."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(avg_pool2d(x, x.shape[2:]).flatten(1))
