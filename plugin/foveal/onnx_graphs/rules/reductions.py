"""Sums, means and extremes along axes: each number that went in gets its part of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from foveal.onnx_graphs.cotangents import Cotangent, Spread, Value
from foveal.onnx_graphs.extents import ONE, product
from foveal.onnx_graphs.stepping import Step, rule


def spread(step: Step, g: Cotangent, axes: Sequence[int]) -> Cotangent:
    """Give each number along axes the gradient of what they became together.

    Parameters
    ----------
    step
        The node, whose first input has these axes.
    g
        The gradients by its output, with the axes at length one or without them.
    axes
        Of the input.
    """
    shape = step.shape()
    short = tuple(ONE if axis in axes else one for axis, one in enumerate(shape))
    kept = g.reshaped(short)
    even = {axis: Spread() for axis in axes if shape[axis] != ONE}
    return replace(kept, shape=shape, lazy={**kept.lazy, **even})


def _axes(step: Step) -> list[int]:
    rank = len(step.shape())
    given = step.ints(1, "axes")
    if not given and step.attribute("noop_with_empty_axes", 0):
        return []
    return [axis % rank for axis in given] if given else list(range(rank))


def _short(step: Step, name: str, axes: Sequence[int]) -> str:
    """Give what came out, with the axes at length one."""
    return step.writer.reshape(name, tuple(ONE if a in axes else one for a, one in enumerate(step.shape())))


@rule("ReduceSum", lazy=True)
def total(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Pass to all."""
    return {0: spread(step, g, _axes(step))}


@rule("ReduceMean", lazy=True)
def mean(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Pass to all, each its share."""
    axes = _axes(step)
    count = product(step.shape()[axis] for axis in axes)
    if not count.is_fixed:
        raise step.refusal("it averages over the batch")
    return {0: spread(step, g.scaled(1 / count.small), axes)}


#: What went in, and what came out with its axes at length one, to the part of each number.
_Parts = Callable[[Step, str, str, Sequence[int]], str]


def _weighted(operator: str, parts: _Parts) -> None:
    def back(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
        axes = _axes(step)
        x, y = step.input(0).name, _short(step, step.output().name, axes)
        return {0: spread(step, g, axes).whole().times(Value(parts(step, x, y, axes), step.shape()))}

    rule(operator, lazy=True)(back)


def _extremes(step: Step, x: str, y: str, axes: Sequence[int]) -> str:
    """Share among equals, as torch does."""
    hits = step.writer.mask(step.writer.op("Equal", x, y))
    return step.writer.op("Div", hits, step.writer.sum(hits, axes))


def _square(step: Step, x: str, _y: str, _axes: Sequence[int]) -> str:
    return step.writer.op("Mul", x, 2.0)


def _length(step: Step, x: str, y: str, _axes: Sequence[int]) -> str:
    return step.writer.op("Div", x, y)


def _size(step: Step, x: str, _y: str, _axes: Sequence[int]) -> str:
    return step.writer.op("Sign", x)


def _softly(step: Step, x: str, y: str, _axes: Sequence[int]) -> str:
    return step.writer.op("Exp", step.writer.op("Sub", x, y))


_PARTS: dict[str, _Parts] = {
    "ReduceMax": _extremes,
    "ReduceMin": _extremes,
    "ReduceSumSquare": _square,
    "ReduceL2": _length,
    "ReduceL1": _size,
    "ReduceLogSumExp": _softly,
}
for _operator, _parts in _PARTS.items():
    _weighted(_operator, _parts)


@rule("CumSum")
def running_total(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Sum from the other end."""
    axis = int(np.asarray(step.parameter(1)).reshape(())) % len(step.shape())
    settings = {"exclusive": step.attribute("exclusive", 0), "reverse": 1 - step.attribute("reverse", 0)}
    return {0: g.renamed(step.writer.op("CumSum", g.name, np.asarray(axis + 1), **settings))}
