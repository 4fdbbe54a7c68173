"""Normalisation by numbers that were learned, or that are measured in the sample itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from foveal.onnx_graphs.cotangents import Cotangent, Value
from foveal.onnx_graphs.extents import ONE, Extent, Shape, fixed
from foveal.onnx_graphs.stepping import Step, rule


@rule("BatchNormalization", lazy=True)
def batch_norm(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by what it multiplied by; as served, its statistics are constants."""
    if step.attribute("training_mode", 0):
        raise step.refusal("it is in training mode")
    writer, scale, variance = step.writer, step.node.inputs[1], step.node.inputs[4]
    spread = writer.op("Sqrt", writer.op("Add", variance, float(step.attribute("epsilon", 1e-5))))
    return {0: g.times(_per_channel(step, Value(writer.op("Div", scale, spread), (step.shape()[1],))))}


@rule("LayerNormalization", lazy=True)
def layer_norm(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Take out of the gradient what mean and deviation take out of the sample."""
    axes = list(range(step.axis(), len(step.shape())))
    found = g.whole(axes)
    weighed = found.times(step.input(1)) if step.has(1) else found
    return {0: _normalised(step, weighed, step.input(0), axes, step.attribute("epsilon", 1e-5))}


@rule("InstanceNormalization", lazy=True)
def instance_norm(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Do the same channel by channel."""
    axes = list(range(2, len(step.shape())))
    weighed = g.whole(axes).times(_per_channel(step, Value(step.node.inputs[1], (step.shape()[1],))))
    return {0: _normalised(step, weighed, step.input(0), axes, step.attribute("epsilon", 1e-5))}


@rule("GroupNormalization")
def group_norm(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Do the same for groups of channels together."""
    shape, count = step.shape(), int(step.attribute("num_groups"))
    members = fixed(shape[1].small // count)
    split = (shape[0], fixed(count), members, *shape[2:])
    scale = Value(step.node.inputs[1], step.shape(1))
    weighed = g.times(_by_group(step, scale, shape, count))
    x = Value(step.writer.reshape(step.input(0).name, split), split)
    axes = list(range(2, len(split)))
    back = _normalised(step, weighed.reshaped(split), x, axes, step.attribute("epsilon", 1e-5))
    return {0: back.reshaped(shape)}


def _by_group(step: Step, scale: Value, shape: Shape, count: int) -> Value:
    """Give a scale for each channel; at opsets before 21 there is one for each group."""
    if scale.shape[0] == shape[1]:
        return _per_channel(step, scale)
    members = fixed(shape[1].small // count)
    column = step.writer.reshape(scale.name, (fixed(count), ONE))
    rows = step.writer.op("Expand", column, step.writer.lengths([fixed(count), members]))
    return _per_channel(step, Value(step.writer.reshape(rows, (shape[1],)), (shape[1],)))


def _per_channel(step: Step, value: Value) -> Value:
    """Set a list of numbers along the channels of (B, C, *S)."""
    shape: tuple[Extent, ...] = (value.shape[0], *[ONE] * (len(step.shape()) - 2))
    return Value(step.writer.reshape(value.name, shape), shape)


def _normalised(step: Step, g: Cotangent, x: Value, axes: Sequence[int], epsilon: float) -> Cotangent:
    """Go back through (x - mean) / deviation.

    With n the normalised sample and d its deviation that is (g - mean(g) - n mean(g n)) / d.
    """
    writer, rank = step.writer, len(x.shape)
    count = float(prod(x.shape[axis].small for axis in axes))
    ends = [axis - rank for axis in axes]
    found, part = g.match(x)
    centred = writer.op("Sub", part, writer.mean(part, ends))
    variance = writer.op("Add", writer.mean(writer.op("Mul", centred, centred), ends), float(epsilon))
    deviation = writer.op("Sqrt", variance)
    normal = writer.op("Div", centred, deviation)
    even = writer.op("Div", writer.sum(found.name, ends), count)
    along = writer.op("Div", writer.sum(writer.op("Mul", found.name, normal), ends), count)
    rest = writer.op("Sub", writer.op("Sub", found.name, even), writer.op("Mul", normal, along))
    long = {axis for axis, one in enumerate(x.shape) if one != ONE}
    return found.renamed(writer.op("Div", rest, deviation), long)
