"""Convolutions: the way back from one is the other."""

from __future__ import annotations

from collections.abc import Mapping

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.extents import fixed
from foveal.onnx_graphs.rules.sliding import Sliding, sliding
from foveal.onnx_graphs.stepping import Step, rule


@rule("Conv")
def convolution(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Convolve with the turned kernel, or transposed where the kernel strides."""
    weight = step.input(1)
    kernel = tuple(one.small for one in weight.shape[2:])
    plan = sliding(step, step.shape(0), step.output().shape, kernel)
    pads = _turned_pads(plan)
    if pads is None:
        settings = {**plan.undone(), "group": step.attribute("group", 1)}
        name = step.writer.op("ConvTranspose", g.flat(), weight.name, **settings)
    else:
        settings = {"dilations": list(plan.dilations), "pads": pads, "group": step.attribute("group", 1)}
        name = step.writer.op("Conv", g.flat(), _turned(step), **settings)
    return {0: g.unflat(name, step.shape(0))}


@rule("ConvTranspose")
def transposed(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Convolve with the same kernel and stride."""
    weight = step.input(1)
    kernel = tuple(one.small for one in weight.shape[2:])
    plan = sliding(step, step.output().shape, step.shape(0), kernel)
    cut = [max(0, -one) for one in plan.after]
    flat = _cropped(step, g.flat(), cut)
    settings = {
        "strides": list(plan.strides),
        "dilations": list(plan.dilations),
        "pads": [*plan.before, *(max(0, one) for one in plan.after)],
        "group": step.attribute("group", 1),
    }
    return {0: g.unflat(step.writer.op("Conv", flat, weight.name, **settings), step.shape(0))}


def _turned_pads(plan: Sliding) -> list[int] | None:
    """Give the padding of a plain convolution that leads back; None where there is none."""
    pads = [
        span - pad for side in (plan.before, plan.after) for span, pad in zip(plan.spans(), side, strict=True)
    ]
    return pads if max(plan.strides) == 1 and min(pads) >= 0 else None


def _turned(step: Step) -> str:
    """Turn a kernel round in space, and exchange what it takes with what it makes; within groups."""
    writer, weight, group = step.writer, step.input(1), int(step.attribute("group", 1))
    made, taken, *sides = weight.shape
    per_group = fixed(made.small // group)
    split = (
        writer.reshape(weight.name, (fixed(group), per_group, taken, *sides)) if group > 1 else weight.name
    )
    lead = 1 if group > 1 else 0
    order = [*range(lead), lead + 1, lead, *range(lead + 2, lead + 2 + len(sides))]
    swapped = writer.op("Transpose", split, perm=order)
    if group > 1:
        swapped = writer.reshape(swapped, (fixed(group) * taken, per_group, *sides))
    axes = [2 + axis for axis, side in enumerate(sides) if side.small > 1]
    if not axes:
        return swapped
    count = len(axes)
    return writer.op("Slice", swapped, [-1] * count, [-(2**31)] * count, axes, [-1] * count)


def _cropped(step: Step, name: str, cut: list[int]) -> str:
    """Leave the last positions out."""
    axes = [2 + axis for axis, one in enumerate(cut) if one]
    if not axes:
        return name
    return step.writer.op("Slice", name, [0] * len(axes), [-cut[axis - 2] for axis in axes], axes)
