"""Averages and maxima over sliding windows, and over all positions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.extents import ZERO, fixed
from foveal.onnx_graphs.rules.linear import matrix_of
from foveal.onnx_graphs.rules.reductions import spread
from foveal.onnx_graphs.rules.sliding import Sliding, sliding
from foveal.onnx_graphs.stepping import Step, rule

#: Settings of an average that are one number for all axes.
_COMMON = ("ceil_mode", "count_include_pad", "auto_pad")


@rule("GlobalAveragePool", lazy=True)
def global_average(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give every position the same share."""
    sides = step.shape()[2:]
    count = int(np.prod([one.small for one in sides]))
    return {0: spread(step, g.scaled(1 / count), list(range(2, len(step.shape()))))}


@rule("GlobalMaxPool", lazy=True)
def global_maximum(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give it to the first of the largest."""
    writer, shape = step.writer, step.shape()
    count = int(np.prod([one.small for one in shape[2:]]))
    flat = writer.reshape(step.input(0).name, (*shape[:2], fixed(count)))
    first = writer.op("ArgMax", flat, axis=2, keepdims=1)
    mask = writer.mask(writer.op("Equal", first, np.arange(count)))
    even = spread(step, g, list(range(2, len(shape)))).whole([0, 1])
    return {0: even.scaled(writer.reshape(mask, shape), shape)}


@rule("AveragePool", lazy=True)
def average(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Go back along each axis by itself."""
    kernel = step.attribute("kernel_shape")
    found = g
    for place in range(len(kernel)):
        side = step.shape()[2 + place].small
        settings = {key: step.attribute(key) for key in _COMMON if step.attribute(key) is not None}
        settings |= _along(step, place, len(kernel))
        matrix = matrix_of("AveragePool", step.graph.opset, (side, 1, side), 2, (), settings)
        found = found.along(2 + place, matrix)
    return {0: found}


def _along(step: Step, place: int, axes: int) -> dict[str, list[int]]:
    """Give the settings of one axis."""
    lists = {key: step.attribute(key) for key in ("kernel_shape", "strides", "dilations")}
    found = {key: [one[place]] for key, one in lists.items() if one}
    pads = step.attribute("pads")
    return found | ({"pads": [pads[place], pads[place + axes]]} if pads else {})


@rule("MaxPool")
def maximum(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give it to the first of the largest in each window; windows that share one add up."""
    kernel = tuple(step.attribute("kernel_shape"))
    shape, narrow = step.shape(), step.output().shape
    plan = sliding(step, shape, narrow, kernel)
    count = int(np.prod(kernel))
    spaced = g.writer.op("Unsqueeze", g.name, [3])
    chosen = g.writer.op("Mul", spaced, _winners(step, plan, count))
    rows = fixed(g.targets) * shape[0] * shape[1]
    flat = g.writer.reshape(chosen, (rows, fixed(count), *narrow[2:]))
    places = np.eye(count, dtype=np.float32).reshape(count, 1, *kernel)
    return {0: g.unflat(g.writer.op("ConvTranspose", flat, places, **plan.undone()), shape)}


def _winners(step: Step, plan: Sliding, count: int) -> str:
    """Mark the first of the largest in each window: (B, C, window, *S)."""
    writer, axes = step.writer, len(plan.kernel)
    narrow = [one.small for one in step.output().shape[2:]]
    padded = _padded(step, plan)
    views = []
    for offset in product(*(range(size) for size in plan.kernel)):
        starts = [rate * one for rate, one in zip(plan.dilations, offset, strict=True)]
        stops = [s + stride * (n - 1) + 1 for s, stride, n in zip(starts, plan.strides, narrow, strict=True)]
        view = writer.op("Slice", padded, starts, stops, list(range(2, 2 + axes)), list(plan.strides))
        views.append(writer.op("Unsqueeze", view, [2]))
    first = writer.op("ArgMax", writer.op("Concat", *views, axis=2), axis=2, keepdims=1)
    return writer.mask(writer.op("Equal", first, np.arange(count).reshape(-1, *[1] * axes)))


def _padded(step: Step, plan: Sliding) -> str:
    after = [max(0, one) for one in plan.after]
    if not any((*plan.before, *after)):
        return step.input(0).name
    pads = [ZERO, ZERO, *map(fixed, plan.before), ZERO, ZERO, *map(fixed, after)]
    return step.writer.op("Pad", step.input(0).name, step.writer.lengths(pads), float("-inf"))
