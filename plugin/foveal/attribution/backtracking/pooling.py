"""Pools, means and maxima: a node comes from the largest number of its window."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried, signs_of
from foveal.attribution.backtracking.rules import Choices, Follow, Rule, Sources, first
from foveal.attribution.backtracking.steps import Ref, Step, Tensors, argument
from foveal.attribution.functions import Call

#: Turns a step and the numbers that it pooled into the flat place of each window's largest.
_Winners = Callable[[Step, Tensor], Tensor]

_MAX: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_ADAPTIVE: dict[int, Callable[..., Any]] = {
    1: F.adaptive_max_pool1d,
    2: F.adaptive_max_pool2d,
    3: F.adaptive_max_pool3d,
}


def _axes(call: Call) -> int:
    """Read off the function's name over how many axes it pools."""
    found = re.search(r"(\d)d", getattr(call.function, "__name__", ""))
    return int(found.group(1)) if found else 0


def _windowed(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    return first(call, tensors) if _axes(call) in _MAX else ()


def _reduced(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    """Reduce over axes named by number; two tensors, or all axes at once, are something else."""
    dim = argument(call, 1, "dim")
    named = isinstance(dim, int) or (isinstance(dim, (tuple, list)) and len(dim) > 0)
    return first(call, tensors) if named else ()


def _of_max_pool(step: Step, values: Tensor, *, dilated: bool) -> Tensor:
    call, axes = step.call, _axes(step.call)
    names = ("kernel_size", "stride", "padding", "ceil_mode", *(("dilation",) if dilated else ()))
    given = {name: call.values[name] for name in names if name in call.values}
    given["stride"] = given.get("stride") or given["kernel_size"]
    return _flat(_MAX[axes](values, **given, return_indices=True)[1], values, axes)


def _of_adaptive_pool(step: Step, values: Tensor) -> Tensor:
    axes = _axes(step.call)
    size = step.call.values["output_size"]
    return _flat(_ADAPTIVE[axes](values, size, return_indices=True)[1], values, axes)


def _flat(winners: Tensor, values: Tensor, axes: int) -> Tensor:
    """Turn places on the grid into places in all numbers."""
    lead, size = winners.shape[:-axes], prod(values.shape[-axes:])
    start = torch.arange(prod(lead), device=values.device).view(*lead, *[1] * axes) * size
    return (winners + start).flatten()


def _of_axes(step: Step, values: Tensor) -> Tensor:
    dim = argument(step.call, 1, "dim")
    reduced = {one % values.ndim for one in ((dim,) if isinstance(dim, int) else dim)}
    order = [axis for axis in range(values.ndim) if axis not in reduced] + sorted(reduced)
    size = prod(values.shape[axis] for axis in reduced)
    rows = values.permute(order).reshape(-1, size)
    places = (
        torch.arange(values.numel(), device=values.device).view(values.shape).permute(order).reshape(-1, size)
    )
    return places.gather(1, rows.argmax(1, keepdim=True)).flatten()


def _follow(winners: _Winners, *, averages: bool) -> Follow:
    """Follow the largest number of a maximum's window, or the largest positive contribution to an average."""

    def follow(step: Step, output: int, carried: Carried, _choices: Choices) -> list[tuple[Ref, Carried]]:
        (source,) = first(step.call, step.tensors)
        values = step.tensors.value(source)
        if output > 0:
            return []
        if not averages:
            return [(source, carried.moved(winners(step, values)[carried.positions]))]
        return [(source, one) for one in _contributing(step, values, carried, winners)]

    return follow


def _contributing(step: Step, values: Tensor, carried: Carried, winners: _Winners) -> list[Carried]:
    found = []
    for sign in (1, -1):
        part = carried.take(carried.signs == sign)
        if len(part):
            places = winners(step, values * sign)[part.positions]
            largest = values.flatten()[places]
            found.append(part.moved(torch.where(largest * sign > 0, places, -1), signs_of(largest)))
    return found


def _rule(winners: _Winners, *, averages: bool = False, sources: Sources = _windowed) -> Rule:
    return Rule(sources, _follow(winners, averages=averages), sources)


RULES = {
    "max_pool": _rule(partial(_of_max_pool, dilated=True)),
    "adaptive_max_pool": _rule(_of_adaptive_pool),
    "avg_pool": _rule(partial(_of_max_pool, dilated=False), averages=True),
    "adaptive_avg_pool": _rule(_of_adaptive_pool, averages=True),
    **dict.fromkeys(("mean", "sum"), _rule(_of_axes, averages=True, sources=_reduced)),
    **dict.fromkeys(("max", "amax", "logsumexp"), _rule(_of_axes, sources=_reduced)),
}
