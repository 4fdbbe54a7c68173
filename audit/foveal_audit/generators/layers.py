"""The layers of small networks on crops of one, two or three axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_Operation = Callable[..., Tensor]

CONVS: Mapping[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONVS_BACK: Mapping[int, type[Any]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORMS: Mapping[int, type[Any]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CONVOLVE: Mapping[int, _Operation] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
AVERAGE: Mapping[int, _Operation] = {
    1: functional.avg_pool1d,
    2: functional.avg_pool2d,
    3: functional.avg_pool3d,
}
#: Side of a kernel: along a single axis a wide one costs next to nothing.
KERNELS: Mapping[int, int] = {1: 7, 2: 3, 3: 3}


def convolution(axes: int, before: int, after: int, stride: int = 1) -> Any:  # noqa: ANN401 (its class depends on axes)
    """Make a convolution that keeps the size, or divides it by its stride."""
    side = KERNELS[axes]
    return CONVS[axes](before, after, side, stride=stride, padding=side // 2)


def shuffled(x: Tensor) -> Tensor:
    """Double every axis: (B, 2**axes C, *s) to (B, C, *(2 s)), the first axis' halves apart farthest."""
    axes = x.ndim - 2
    if axes == 2:
        return functional.pixel_shuffle(x, 2)
    parts = x.reshape(len(x), -1, *[2] * axes, *x.shape[2:])
    return parts.permute(0, 1, *woven(axes)).reshape(len(x), -1, *doubled(x.shape[2:]))


def firsts(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Keep the first places (*sides) along the last axes."""
    kept: tuple[Any, ...] = (..., *map(slice, sides))
    return x[kept]


def woven(axes: int) -> tuple[int, ...]:
    """Give the order of axes that puts each axis' halves (from 2 on) behind its places."""
    return tuple(chain.from_iterable((2 + axes + axis, 2 + axis) for axis in range(axes)))


def doubled(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Give sides twice as long."""
    return tuple(2 * side for side in sides)
