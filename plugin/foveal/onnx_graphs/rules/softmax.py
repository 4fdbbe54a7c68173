"""Shares that sum to one."""

from __future__ import annotations

from collections.abc import Mapping

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.stepping import Step, rule


@rule("Softmax", lazy=True)
def softmax(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Take the weighted mean of the gradient out, then weigh."""
    writer, axis = step.writer, step.axis()
    found, shares = g.whole([axis]).match(step.output())
    weighted = found.scaled(shares, step.output().shape)
    total = writer.sum(weighted.name, [axis + 1])
    return {0: weighted.renamed(writer.op("Sub", weighted.name, writer.op("Mul", shares, total)))}


@rule("LogSoftmax", lazy=True)
def log_softmax(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Take each share of the gradient's sum out."""
    writer, axis = step.writer, step.axis()
    found, logs = g.whole([axis]).match(step.output())
    taken = writer.op("Mul", writer.op("Exp", logs), writer.sum(found.name, [axis + 1]))
    long = set(range(len(found.shape)))
    return {0: found.renamed(writer.op("Sub", found.name, taken), long)}
