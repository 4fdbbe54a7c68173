"""One recorded operation, and how its results are named."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from foveal.attribution.functions import Call

#: An argument of a call: whatever the network gave.
Value: TypeAlias = Any


class Ref(NamedTuple):
    """A tensor of the forward: which step made it, and which of the step's results it is."""

    step: int
    output: int


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of the forward; tensors that come from the input are named, all others are as they were.

    Attributes
    ----------
    call
        The call, each tensor that comes from the input replaced by its :class:`Ref`.
    shapes
        The shapes of its results.
    tensors
        Shapes of the tensors it took, and the values of those that its rule asks for.
    after_dense
        Whether what it takes comes out of a fully connected layer, not from a grid.
    """

    call: Call
    shapes: tuple[torch.Size, ...]
    tensors: Tensors
    after_dense: bool = False


@dataclass(frozen=True, eq=False)
class Tensors:
    """What is known of the forward's tensors by name.

    Attributes
    ----------
    shapes
        Of every tensor.
    kept
        The values, as they were when an operation took them, where a rule needs them.
    gates
        What comes out of a sigmoid: where two tensors are multiplied, it scales the other.
    device
        Where they lie.
    """

    shapes: Mapping[Ref, torch.Size]
    kept: Mapping[Ref, Tensor]
    gates: AbstractSet[Ref]
    device: torch.device

    def value(self, ref: Ref) -> Tensor:
        """Give a kept tensor, in at least float32 so that products are exact enough to compare."""
        value = self.kept[ref]
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def argument(call: Call, position: int, name: str, default: Value = None) -> Value:
    """Give an argument of a call by its canonical name, or else by its position or keyword."""
    if name in call.values:
        return call.values[name]
    return call.args[position] if len(call.args) > position else call.kwargs.get(name, default)


def as_tuple(value: Value, length: int) -> tuple[int, ...]:
    """Spread one number over all axes."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return tuple(int(one) for one in numbers) * (length if len(numbers) == 1 else 1)


def broadcast_positions(positions: Tensor, shape: torch.Size, source: torch.Size) -> Tensor:
    """Translate flat positions of a broadcast result into flat positions of one operand."""
    if source == shape:
        return positions
    whole = torch.Size([1] * (len(shape) - len(source)) + list(source))
    coordinates = torch.unravel_index(positions, shape)
    flat = torch.zeros_like(positions)
    for coordinate, side in zip(coordinates, whole, strict=True):
        flat = flat * side + (coordinate if side > 1 else 0)
    return flat
