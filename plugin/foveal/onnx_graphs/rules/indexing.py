"""Cutting, joining and padding: the gradient goes to the place that a number came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foveal.onnx_graphs.cotangents import Cotangent, Spread, Window, added, windowed
from foveal.onnx_graphs.extents import ONE, ZERO, Extent, fixed, product
from foveal.onnx_graphs.stepping import Step, rule


def _at(g: Cotangent, axis: int, start: Extent, length: Extent) -> Cotangent:
    """Lay gradients into a longer axis, of which they are the stretch from `start`."""
    own = g.lazy.get(axis)
    found = g.whole([axis]) if own is not None and not isinstance(own, Window) else g
    window = own if isinstance(own, Window) else Window(ZERO, g.shape[axis])
    shape = (*g.shape[:axis], length, *g.shape[axis + 1 :])
    longer = replace(found, shape=shape)
    return replace(longer, lazy=windowed(longer, axis, start + window.start, window.length))


def _stretch(g: Cotangent, axis: int, start: Extent, length: Extent) -> Cotangent:
    """Take a stretch of an axis out."""
    shape = (*g.shape[:axis], length, *g.shape[axis + 1 :])
    if isinstance(g.lazy.get(axis), Spread):
        return replace(g, shape=shape)
    found = g.whole([axis])
    name = found.writer.slice(found.name, axis + 1, start, start + length)
    return replace(found, name=name, shape=shape)


@rule("Concat", lazy=True)
def concat(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give each part its stretch."""
    axis, start = step.axis(), ZERO
    parts: dict[int, Cotangent] = {}
    for place in range(len(step.node.inputs)):
        length = step.shape(place)[axis]
        if place in step.wanted:
            parts[place] = _stretch(g, axis, start, length)
        start = start + length
    return parts


@rule("Split", lazy=True, several=True)
def split(step: Step, _g: Cotangent) -> Mapping[int, Cotangent]:
    """Lay the parts side by side."""
    axis, start = step.axis(0), ZERO
    parts = []
    for place, part in enumerate(step.outputs):
        if part is not None:
            parts.append(_at(part, axis, start, step.shape()[axis]))
        start = start + step.output(place).shape[axis]
    return {0: added(parts)}


@rule("Slice", lazy=True)
def cut(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Lay it back where it was cut out."""
    shape, found = step.shape(), g
    starts, stops = (np.asarray(step.parameter(place)).tolist() for place in (1, 2))
    axes = step.ints(3, "axes") or list(range(len(starts)))
    strides = step.ints(4, "steps") or [1] * len(starts)
    for start, stop, axis, stride in zip(starts, stops, axes, strides, strict=True):
        place = axis % len(shape)
        if shape[place] != found.shape[place]:
            if not shape[place].is_fixed:
                raise step.refusal("it cuts the batch")
            found = _uncut(found, place, slice(start, stop, stride), shape[place])
        elif stride < 0:
            found = found.along(place, np.eye(shape[place].small, dtype=np.float32)[::-1])
    return {0: found}


def _uncut(g: Cotangent, axis: int, taken: slice, length: Extent) -> Cotangent:
    stop = None if taken.stop < -length.small and taken.step < 0 else taken.stop
    places = np.arange(length.small)[taken.start : stop : taken.step]
    if taken.step == 1:
        return _at(g, axis, fixed(int(places[0])), length)
    return g.along(axis, np.eye(length.small, dtype=np.float32)[places])


@rule("Gather", lazy=True)
def gather(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Lay what was picked back in its places; what was picked twice adds up."""
    axis, shape, places = step.axis(0), step.shape(), step.input(1)
    if places.name in step.probe.counting and product(places.shape) == shape[axis]:
        return {0: g.reshaped(shape)}  # all of the axis, in its order
    if not shape[axis].is_fixed:
        raise step.refusal("it picks from the batch")
    count = shape[axis].small
    picked = np.asarray(step.parameter(1)).reshape(-1) % count
    found = g.reshaped((*shape[:axis], fixed(len(picked)), *shape[axis + 1 :]))
    if np.array_equal(picked, np.arange(picked[0], picked[0] + len(picked))):
        return {0: _at(found, axis, fixed(int(picked[0])), shape[axis])}
    return {0: found.along(axis, np.eye(count, dtype=np.float32)[picked])}


@rule("Pad", lazy=True)
def pad(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Leave the margin out, or add it to what was mirrored there."""
    shape, pads = step.shape(), step.ints(1, "pads") or []
    axes = step.ints(3, "axes") or list(range(len(shape)))
    found = g
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        if before or after:
            found = _unpadded(step, found, axis % len(shape), before, after)
    return {0: found}


def _unpadded(step: Step, g: Cotangent, axis: int, before: int, after: int) -> Cotangent:
    length, mode = step.shape()[axis], step.attribute("mode", "constant")
    if mode == "constant" and min(before, after) >= 0:
        return _stretch(g, axis, fixed(before), length)
    unit = np.eye(length.small, dtype=np.float32)
    if mode == "constant":
        margin = np.pad(unit, ((max(0, before), max(0, after)), (0, 0)))
        return g.along(axis, margin[max(0, -before) : len(margin) - max(0, -after)])
    return g.along(axis, unit[np.pad(np.arange(length.small), (before, after), mode=mode)])


@rule("Tile")
def tile(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Add the copies up."""
    repeats = np.asarray(step.parameter(1)).tolist()
    found = g
    for axis, (count, length) in enumerate(zip(repeats, step.shape(), strict=True)):
        if count == 1:
            continue
        if length == ONE:
            found = found.summed([axis])
        elif length.is_fixed:
            found = found.along(axis, np.tile(np.eye(length.small, dtype=np.float32), (count, 1)))
        else:
            raise step.refusal("it repeats the batch")
    return {0: found}
