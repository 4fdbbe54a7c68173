"""Operators that choose among numbers: the gradient goes to the chosen one."""

from __future__ import annotations

from collections.abc import Mapping

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.stepping import Step, rule


@rule("Clip", lazy=True)
def clip(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Pass within the limits, these included."""
    found, x = g.match(step.input(0))
    for place, beyond in ((1, "Less"), (2, "Greater")):
        limit = step.parameter(place)
        if limit is not None:
            outside = step.writer.op(beyond, x, float(limit.reshape(())))
            found = found.scaled(step.writer.mask(step.writer.op("Not", outside)), step.shape(0))
    return {0: found}


@rule("Where", lazy=True)
def where(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Go where the condition says."""
    condition = step.input(0)
    found, name = g.match(condition)
    masks = {1: name, 2: step.writer.op("Not", name)}
    parts = {place: found.scaled(step.writer.mask(masks[place]), condition.shape) for place in step.wanted}
    return {place: part.reduced(step.shape(place)) for place, part in parts.items()}


@rule("Max", "Min")
def extreme(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Go to the largest (smallest) of the terms; equal ones share it."""
    places = range(len(step.node.inputs))
    hits = [
        step.writer.mask(step.writer.op("Equal", step.node.inputs[place], step.node.outputs[0]))
        for place in places
    ]
    share = g.renamed(step.writer.op("Div", g.name, step.writer.op("Sum", *hits)))
    return {
        place: share.scaled(hits[place], step.output().shape).reduced(step.shape(place))
        for place in step.wanted
    }
