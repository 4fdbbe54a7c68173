"""Networks for relevance propagation: without biases, of any dimension, each with one awkward habit."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import nn

torch.set_num_threads(1)

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Plain(nn.Module):
    """Two convolutions with modules, a max-pool, a dense head."""

    def __init__(self, axes=2, bias=False, inplace=False):
        super().__init__()
        conv, self.axes = CONVS[axes], axes
        self.conv1, self.relu1 = conv(2, 4, 3, padding=1, bias=bias), nn.ReLU(inplace)
        self.conv2, self.relu2 = conv(4, 5, 3, padding=1, bias=bias), nn.ReLU(inplace)
        self.fc1, self.relu3, self.fc2 = nn.Linear(5, 6, bias), nn.ReLU(inplace), nn.Linear(6, 3, bias)

    def forward(self, x):
        x = POOLS[self.axes](self.relu1(self.conv1(x)), 2)
        x = self.relu2(self.conv2(x)).flatten(2).mean(-1)
        return self.fc2(self.relu3(self.fc1(x)))


class Functional(Plain):
    """The same weights, its rectifiers called as functions, in place or in disguise."""

    def forward(self, x):
        x = POOLS[self.axes](torch.relu_(self.conv1(x)), 2)
        x = self.conv2(x).clamp(min=0).flatten(2).mean(-1)
        return self.fc2(F.relu(self.fc1(x), inplace=True))


class Reused(nn.Module):
    """One convolution and one rectifier, called three times."""

    def __init__(self, axes=2, bias=False):
        super().__init__()
        self.stem = CONVS[axes](2, 4, 3, padding=1, bias=bias)
        self.conv, self.relu = CONVS[axes](4, 4, 3, padding=1, bias=bias), nn.ReLU()
        self.fc = nn.Linear(4, 3, bias)

    def forward(self, x):
        x = self.relu(self.stem(x))
        for _ in range(3):
            x = self.relu(self.conv(x))
        return self.fc(x.flatten(2).mean(-1))


class Residual(nn.Module):
    """A rectifier with several consumers, `+=`, a shortcut from the input itself."""

    def __init__(self, axes=2, bias=False):
        super().__init__()
        conv = CONVS[axes]
        self.stem, self.skip = conv(2, 4, 3, padding=1, bias=bias), conv(2, 4, 1, bias=bias)
        self.one, self.two = conv(4, 4, 3, padding=1, bias=bias), conv(4, 4, 3, padding=1, bias=bias)
        self.fc = nn.Linear(4, 3, bias)

    def forward(self, x):
        h = torch.relu(self.stem(x))
        out = self.two(torch.relu(self.one(h)))
        out += h
        out = torch.relu(out) + self.skip(x)
        return self.fc(torch.relu_(out).flatten(2).mean(-1))


class Dense(nn.Module):
    """Layers that see all before them."""

    def __init__(self, axes=2, bias=False):
        super().__init__()
        self.layers = nn.ModuleList(CONVS[axes](width, 3, 3, padding=1, bias=bias) for width in (2, 5, 8))
        self.axes, self.fc = axes, nn.Linear(11, 3, bias)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, F.relu(layer(x))], 1)
        return self.fc(AVERAGES[self.axes](x, 2).flatten(2).mean(-1))


class Normed(nn.Module):
    """Batch norm behind a convolution, and in front of one, as in DenseNets."""

    def __init__(self, axes=2):
        super().__init__()
        self.conv1, self.bn1 = CONVS[axes](2, 4, 3, padding=1), NORMS[axes](4)
        self.bn2, self.conv2 = NORMS[axes](4), CONVS[axes](4, 5, 3, bias=False)
        self.bn3, self.fc = NORMS[axes](5), nn.Linear(5, 3)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn3(self.conv2(torch.relu(self.bn2(x)))))
        return self.fc(x.flatten(2).mean(-1))


class Gated(nn.Module):
    """Squeeze and excitation, SiLU, GELU, group norm: as newer convolutional networks have them."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.conv2, self.fc = nn.Conv2d(4, 4, 3, groups=4), nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 4))

    def forward(self, x):
        x = F.silu(self.norm(self.conv1(x)))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        x = x * gate.view(*gate.shape, 1, 1).expand_as(x)
        x = F.gelu(self.conv2(x)) * self.scale[:, None, None]
        return self.fc(x.mean((2, 3)))


class Transformer(nn.Module):
    """Patches, layer norm, attention by torch's own module, a GELU."""

    def __init__(self, *, by_function=False):
        super().__init__()
        self.by_function = by_function
        self.patches = nn.Conv2d(2, 8, 2, 2)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.fc1, self.fc2, self.head = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 3)
        nn.init.normal_(self.attention.in_proj_bias)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.attend(self.norm1(x))
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return self.head(x.mean(1))

    def attend(self, x):
        if not self.by_function:
            return self.attention(x, x, x, need_weights=False)[0]
        projected = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        query, key, value = projected.unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.attention.out_proj(mixed.transpose(1, 2).flatten(2))


def make(kind, *args, seed=0, **options):
    """Make a network of reproducible weights in eval mode, its batch norms in use."""
    torch.manual_seed(seed)
    net = kind(*args, **options)
    for module in net.modules():
        if isinstance(module, tuple(NORMS.values())):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_()
            module.bias.data.normal_()
    return net.eval()
