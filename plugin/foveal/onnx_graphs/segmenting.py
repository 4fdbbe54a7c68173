"""How much of every class a segmentation file finds, written in ONNX behind its logits.

The same score as :mod:`foveal.segmenting.scores`, so that a file which explains itself says what Foveal says
of the network: the inverse hyperbolic sine of the mean margin by which a class wins, in thousandths.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from foveal.errors import UsageError
from foveal.onnx_graphs.describing import SCORES
from foveal.onnx_graphs.extents import Shape, product
from foveal.onnx_graphs.probing import Probe
from foveal.onnx_graphs.reading import Graph, batch_dim
from foveal.onnx_graphs.writing import PREFIX, Writer

#: Evidence that counts as one, as in :data:`foveal.segmenting.scores.UNIT`.
UNIT = 1e-3
_OWN = f"{PREFIX}scores/"


def segments(graph: Graph, known: Probe) -> bool:
    """Tell whether the first output has positions, and with it whether the network segments."""
    shape, batch = known.shapes[graph.output], known.shapes[graph.input.name][0]
    spatial = len(shape) == 1 + len(known.sample_shape) and product(shape[2:]).small > 1
    return spatial and shape[0] == batch and known.dtypes[graph.output].startswith("float")


def scored(graph: Graph, known: Probe, background: int | None) -> ModelProto:
    """Put the scores of the classes before a segmentation file's outputs.

    Parameters
    ----------
    graph, known
        The network, whose first output are logits (B, n, *S), and what is known of its tensors. One channel
        stands for two classes, the second where it is above 0.
    background
        The class that stands for nothing found; None where there is none.

    Returns
    -------
    ModelProto
        The file with a first output ``foveal_scores`` (B, n); all else as it was.

    Raises
    ------
    UsageError
        If there is no such class, or the sides of the output are not fixed.
    """
    shape = known.shapes[graph.output]
    if not all(one.is_fixed for one in shape[1:]):
        raise UsageError(
            f"The sides of the output {graph.output!r} grow with the batch", "Export the network again"
        )
    classes = max(shape[1].small, 2)
    if background is not None and not 0 <= background < classes:
        raise UsageError(
            f"Class {background} is to be the background of {classes} classes",
            f"Give a number from 0 to {classes - 1}, or null where there is none",
        )
    writer = Writer(graph.opset, known.dtypes[graph.output], graph.input.name, _OWN)
    margins = _margins(writer, _by_class(writer, graph.output, shape), classes, len(shape))
    counted = [float(one != background) for one in range(classes)]
    return _behind(graph, writer, _scores(writer, margins, shape, counted), classes)


def _by_class(writer: Writer, output: str, shape: Shape) -> str:
    """Give one channel per class: a single one stands for the second of two."""
    if shape[1].small > 1:
        return output
    nothing = numpy_helper.from_array(np.zeros(1, writer.dtype))
    (zeros,) = writer.several("ConstantOfShape", 1, writer.op("Shape", output), value=nothing)
    return writer.op("Concat", zeros, output, axis=1)


def _margins(writer: Writer, logits: str, classes: int, rank: int) -> str:
    """Give by how much every class wins at every position, negative where it does not."""
    numbers = np.arange(classes, dtype=np.int64).reshape(1, -1, *[1] * (rank - 2))
    won = writer.op("Equal", writer.op("ArgMax", logits, axis=1, keepdims=1), numbers)
    others = writer.op("Where", won, float(np.finfo(writer.dtype).min), logits)
    best, second = (writer.largest(one, [1]) for one in (logits, others))
    return writer.op("Sub", logits, writer.op("Where", won, second, best))


def _scores(writer: Writer, margins: str, shape: Shape, counted: list[float]) -> str:
    """Make the scores (B, n) of margins (B, n, *S)."""
    places = list(range(2, len(shape)))
    missed = writer.op("Clip", writer.largest(margins, places), "", 0.0)
    share = writer.op("Mul", missed, 1 / product(shape[2:]).small)
    found = writer.mean(writer.op("Relu", margins), places)
    evidence = writer.op("Flatten", writer.op("Add", found, share), axis=1)
    bent = writer.op("Asinh", writer.op("Mul", evidence, 1 / UNIT))
    return writer.op("Mul", bent, np.asarray(counted))


def _behind(graph: Graph, writer: Writer, scores: str, classes: int) -> ModelProto:
    """Append what was written, and put the scores first among the outputs."""
    made = ModelProto()
    made.CopyFrom(graph.model)
    made.graph.node.extend([*writer.nodes, helper.make_node("Identity", [scores], [SCORES], name=_OWN)])
    made.graph.initializer.extend(writer.constants)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(writer.dtype))
    batch = batch_dim(graph)
    made.graph.output.insert(0, helper.make_tensor_value_info(SCORES, kind, [batch, classes]))
    return made
