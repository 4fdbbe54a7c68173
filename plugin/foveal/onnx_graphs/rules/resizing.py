"""Enlarging and shrinking by interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.rules.linear import matrix_of
from foveal.onnx_graphs.stepping import Step, rule

#: Settings that say which axes, or how to keep proportions: settled by the sizes that were seen.
_SETTLED = ("axes", "keep_aspect_ratio_policy")


@rule("Resize", lazy=True)
def resize(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Go back along each axis by itself."""
    if step.attribute("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise step.refusal("it also crops")
    found = g
    for axis, (old, new) in enumerate(zip(step.shape(), step.output().shape, strict=True)):
        scale = _scale(step, axis)
        if old == new and scale in (None, 1.0):
            continue
        if not (old.is_fixed and new.is_fixed):
            raise step.refusal("it resizes the batch")
        found = found.along(axis, _matrix(step, old.small, new.small, scale))
    return {0: found}


def _scale(step: Step, axis: int) -> float | None:
    """Give the factor along an axis, where the node names factors and not sizes."""
    scales = step.parameter(2)
    if scales is None or not scales.size:
        return None
    axes = [one % len(step.shape()) for one in step.attribute("axes") or range(len(step.shape()))]
    return float(scales[axes.index(axis)]) if axis in axes else 1.0


def _matrix(step: Step, old: int, new: int, scale: float | None) -> NDArray[np.float32]:
    inputs: tuple[NDArray[Any] | None, ...] = (None, None, np.array([old, 1, new, 1], np.int64))
    if scale is not None:
        inputs = (None, np.array([1, 1, scale, 1], np.float32))
    settings = {key: one for key, one in step.node.attributes.items() if key not in _SETTLED}
    return matrix_of("Resize", step.graph.opset, (old, 1, old, 1), 2, inputs, settings)
