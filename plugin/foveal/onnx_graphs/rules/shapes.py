"""Operators that only arrange numbers anew."""

from __future__ import annotations

from collections.abc import Mapping

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.extents import fixed
from foveal.onnx_graphs.stepping import Step, rule


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze", lazy=True, picked=True)
def reshape(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give the old shape back."""
    return {0: g.reshaped(step.shape())}


@rule("Transpose", lazy=True)
def transpose(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Give the old order back."""
    rank = len(step.shape())
    order = list(step.attribute("perm") or range(rank)[::-1])
    return {0: g.moved([order.index(axis) for axis in range(rank)])}


@rule("Expand", lazy=True)
def expand(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Add the copies up."""
    return {0: g.reduced(step.shape())}


#: How the axes (B, C', H, b, W, b) of enlarged pictures come out of depth, by mode.
_FROM_DEPTH = {"DCR": (0, 3, 5, 1, 2, 4), "CRD": (0, 1, 3, 5, 2, 4)}


@rule("DepthToSpace", lazy=True)
def depth_to_space(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Put positions back into depth."""
    block, (batch, _, height, width) = fixed(int(step.attribute("blocksize"))), step.shape()
    channels = step.output().shape[1]
    apart = g.reshaped((batch, channels, height, block, width, block))
    return {0: apart.moved(_FROM_DEPTH[step.attribute("mode", "DCR")]).reshaped(step.shape())}


@rule("SpaceToDepth", lazy=True)
def space_to_depth(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Put depth back into positions."""
    block, (_, channels, _, _) = fixed(int(step.attribute("blocksize"))), step.shape()
    batch, _, height, width = step.output().shape
    apart = g.reshaped((batch, block, block, channels, height, width))
    return {0: apart.moved((0, 3, 4, 1, 5, 2)).reshaped(step.shape())}
