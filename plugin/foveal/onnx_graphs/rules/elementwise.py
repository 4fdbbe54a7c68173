"""Arithmetic of two tensors, each broadcast to the other: what was broadcast is added up on the way back."""

from __future__ import annotations

from collections.abc import Mapping

from foveal.onnx_graphs.cotangents import Cotangent, Value
from foveal.onnx_graphs.extents import ONE
from foveal.onnx_graphs.stepping import Step, rule


@rule("Identity", "Dropout", lazy=True, picked=True)
def passed(_step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Leave it as it is."""
    return {0: g}


@rule("Cast", lazy=True, picked=True)
def cast(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Leave it as it is, between equal kinds of floating point numbers."""
    kinds = [step.probe.dtypes.get(name, "") for name in (step.node.inputs[0], step.node.outputs[0])]
    if any(kind != step.writer.dtype for kind in kinds):
        raise step.refusal(f"it turns {kinds[0]} into {kinds[1]}")
    return {0: g}


@rule("Add", "Sum", lazy=True, picked=True)
def add(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give it to every term."""
    return {place: g.reduced(step.shape(place)) for place in step.wanted}


@rule("Sub", lazy=True, picked=True)
def subtract(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give it to both, one with the other sign."""
    return {place: (g.scaled(-1.0) if place else g).reduced(step.shape(place)) for place in step.wanted}


@rule("Mean", lazy=True)
def mean(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give each term its share."""
    part = g.scaled(1 / len(step.node.inputs))
    return {place: part.reduced(step.shape(place)) for place in step.wanted}


@rule("Mul", lazy=True, picked=True)
def multiply(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by the other factor."""
    return {place: g.times(step.input(1 - place)).reduced(step.shape(place)) for place in step.wanted}


@rule("Div", lazy=True)
def divide(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Divide by the divisor; for itself, times minus the quotient."""
    found, divisor = g.match(step.input(1))
    part = found.renamed(step.writer.op("Div", found.name, divisor), _long(found, step.input(1)))
    parts = {0: part}
    if 1 in step.wanted:
        parts[1] = part.times(step.output()).scaled(-1.0)
    return {place: parts[place].reduced(step.shape(place)) for place in step.wanted}


@rule("Pow", lazy=True)
def power(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by exponent times base to the exponent less one."""
    exponent = step.parameter(1)
    found, base = g.match(step.input(0))
    if exponent is None or exponent.size != 1:
        raise step.refusal("its exponents differ")
    number = float(exponent.reshape(()))
    slope = base if number == 2 else step.writer.op("Pow", base, number - 1)
    return {0: found.scaled(slope, step.shape(0)).scaled(number).reduced(step.shape(0))}


@rule("PRelu", lazy=True)
def parametric(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by the learned slope where the input is negative."""
    found, x = g.match(step.input(0))
    found, slope = found.match(step.input(1))
    factor = step.writer.op("Where", step.writer.op("Less", x, 0.0), slope, 1.0)
    return {0: found.scaled(factor, step.shape(0))}


def _long(g: Cotangent, value: Value) -> set[int]:
    """Name the axes along which a tensor is longer than one, as axes of the gradients."""
    offset = len(g.shape) - len(value.shape)
    return {offset + axis for axis, one in enumerate(value.shape) if one != ONE}
