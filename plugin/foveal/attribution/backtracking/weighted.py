"""Fully connected layers and convolutions: a node comes from what contributes most, weight times value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

from foveal.attribution.backtracking.carried import Carried, join, signs_of
from foveal.attribution.backtracking.rules import Choices, Rule
from foveal.attribution.backtracking.steps import Ref, Step, Tensors, Value, argument, as_tuple
from foveal.attribution.functions import Call


def _sources(call: Call, _tensors: Tensors) -> tuple[Ref, ...]:
    """Come from the input; weights that depend on the sample are not followed."""
    source, weight = call.values.get("input"), call.values.get("weight")
    if not isinstance(source, Ref) or not isinstance(weight, Tensor):
        return ()
    return () if isinstance(call.values.get("bias"), Ref) else (source,)


def _sources_of_product(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    """Come from the left matrix, where the right one is a constant that stands for weights."""
    source, other = call.values.get("input"), call.values.get("other")
    if not isinstance(source, Ref) or not isinstance(other, Tensor):
        return ()
    return (source,) if other.ndim == 2 and len(tensors.shapes[source]) > 1 else ()


def _source(step: Step) -> Ref:
    source: Value = step.call.values["input"]
    return Ref(*source)


def _follow_linear(step: Step, _output: int, carried: Carried, choices: Choices) -> list[tuple[Ref, Carried]]:
    weight, bias = argument(step.call, 1, "weight"), argument(step.call, 2, "bias")
    return _follow_dense(step, weight, bias, carried, choices)


def _follow_product(
    step: Step, _output: int, carried: Carried, choices: Choices
) -> list[tuple[Ref, Carried]]:
    return _follow_dense(step, step.call.values["other"].T, None, carried, choices)


def _follow_dense(
    step: Step, weight: Tensor, bias: Tensor | None, carried: Carried, choices: Choices
) -> list[tuple[Ref, Carried]]:
    source = _source(step)
    values = step.tensors.value(source).reshape(-1, weight.shape[1])
    most, parts = _limit(step, choices), []
    for part in carried.chunks(weight.shape[1]):
        rows, nodes = part.positions // len(weight), part.positions % len(weight)
        contributions = weight[nodes].to(values.dtype) * values[rows]
        if choices.bias and bias is not None:
            contributions = contributions + bias[nodes, None]
        which, columns = _largest(contributions * part.signs[:, None], most)
        positions = rows[which] * weight.shape[1] + columns
        signs = signs_of(values[rows[which], columns])
        parts.append(part.take(which).moved(positions, signs).merged(values.numel()))
    return [(source, join(parts, values.numel()))]


def _limit(step: Step, choices: Choices) -> int | None:
    """How many nodes are kept: at every place of a grid a linear step is a convolution of width 1."""
    if len(step.shapes[0]) > 2:
        return 1 if choices.channels == "argmax" else None
    return choices.top_n if step.after_dense else choices.entry_n


def _largest(contributions: Tensor, most: int | None) -> tuple[Tensor, Tensor]:
    """Give rows and columns of the largest positive contributions of every row."""
    if most is None or most >= contributions.shape[1]:
        rows, columns = (contributions > 0).nonzero(as_tuple=True)
        return rows, columns
    values, columns = contributions.topk(most)
    rows, slots = (values > 0).nonzero(as_tuple=True)
    return rows, columns[rows, slots]


@dataclass(frozen=True, eq=False)
class _Windows:
    """Geometry of a convolution: which numbers of the padded input each node of the output sees.

    Attributes
    ----------
    padded
        The input (B, C, *S) with its padding.
    low
        Padding before each axis.
    shape
        Shape of the input (B, C, *S).
    output
        Shape of the output (B, O, *T).
    weight
        (O, C / groups, *kernel).
    stride, dilation, groups
        As the convolution has them.
    """

    padded: Tensor
    low: tuple[int, ...]
    shape: tuple[int, ...]
    output: tuple[int, ...]
    weight: Tensor
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def split(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Give each node's output channel (N,) and where its window begins in the padded input (N,)."""
        sample, channel, *place = torch.unravel_index(positions, self.output)
        group = channel // (len(self.weight) // self.groups)
        flat = sample * self.shape[1] + group * self.weight.shape[1]
        for coordinate, stride, side in zip(place, self.stride, self.padded.shape[2:], strict=True):
            flat = flat * side + coordinate * stride
        return channel, flat

    def offsets(self) -> Tensor:
        """Give the places of a window's numbers (C / groups, kernel) from where it begins."""
        flat = torch.arange(self.weight.shape[1], device=self.padded.device)
        for size, dilation, side in zip(
            self.weight.shape[2:], self.dilation, self.padded.shape[2:], strict=True
        ):
            flat = flat[..., None] * side + torch.arange(size, device=self.padded.device) * dilation
        return flat.flatten(1)

    def unpadded(self, positions: Tensor) -> Tensor:
        """Translate flat places in the padded input to flat places in the input, -1 in the padding."""
        sample, channel, *place = torch.unravel_index(positions, self.padded.shape)
        flat, inside = sample * self.shape[1] + channel, torch.ones_like(positions, dtype=torch.bool)
        for coordinate, low, side in zip(place, self.low, self.shape[2:], strict=True):
            inside &= (coordinate >= low) & (coordinate < low + side)
            flat = flat * side + coordinate - low
        return torch.where(inside, flat, -1)


def _follow_conv(step: Step, _output: int, carried: Carried, choices: Choices) -> list[tuple[Ref, Carried]]:
    source = _source(step)
    windows = _windows(step)
    numbers, offsets = windows.padded.flatten(), windows.offsets()
    size, parts = prod(windows.shape), []
    for part in carried.chunks(offsets.numel()):
        channel, start = windows.split(part.positions)
        seen = start[:, None, None] + offsets
        contributions = windows.weight[channel].flatten(2).to(numbers.dtype) * numbers[seen]
        if choices.bias and isinstance(step.call.values.get("bias"), Tensor):
            contributions = contributions + step.call.values["bias"][channel, None, None]
        contributions = contributions * part.signs[:, None, None]
        which, channels = _largest(contributions.sum(-1), 1 if choices.channels == "argmax" else None)
        best = contributions[which, channels].argmax(1)
        found = seen[which, channels, best]
        moved = part.take(which).moved(windows.unpadded(found), signs_of(numbers[found]))
        parts.append(moved.merged(size))
    return [(source, join(parts, size))]


def _windows(step: Step) -> _Windows:
    call, weight = step.call, step.call.values["weight"]
    axes = weight.ndim - 2
    values = step.tensors.value(_source(step))
    values = values if values.ndim == weight.ndim else values[None]
    output = tuple(step.shapes[0])
    stride, dilation = (
        as_tuple(argument(call, at, name, 1), axes) for at, name in ((3, "stride"), (5, "dilation"))
    )
    low, high = _padding(argument(call, 4, "padding", 0), weight.shape[2:], dilation)
    around = [width for pair in zip(reversed(low), reversed(high), strict=True) for width in pair]
    return _Windows(
        pad(values, around),
        low,
        tuple(values.shape),
        output if len(output) == weight.ndim else (1, *output),
        weight,
        stride,
        dilation,
        int(argument(call, 6, "groups", 1)),
    )


def _padding(
    padding: Value, kernel: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the padding before and after each axis; ``same`` puts the odd one after."""
    if padding == "same":
        total = [(size - 1) * step for size, step in zip(kernel, dilation, strict=True)]
        return tuple(one // 2 for one in total), tuple(one - one // 2 for one in total)
    both = as_tuple(0 if padding == "valid" else padding, len(kernel))
    return both, both


RULES = {
    "linear": Rule(_sources, _follow_linear, _sources),
    "matmul": Rule(_sources_of_product, _follow_product, _sources_of_product),
    "__matmul__": Rule(_sources_of_product, _follow_product, _sources_of_product),
    "conv": Rule(_sources, _follow_conv, _sources),
}
