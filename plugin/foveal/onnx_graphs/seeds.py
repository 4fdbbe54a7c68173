"""Where gradients start: the likeliest classes, and the nodes that speak loudest for the first of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foveal.onnx_graphs.cotangents import Cotangent, Lazy, Picked, Spread, Value
from foveal.onnx_graphs.extents import ONE, product
from foveal.onnx_graphs.sweeping import Sweeper
from foveal.onnx_graphs.writing import Writer


@dataclass(frozen=True)
class Nodes:
    """Chosen nodes.

    Attributes
    ----------
    ids, activations
        Tensors (B, K).
    seed
        The gradients by all nodes.
    """

    ids: str
    activations: str
    seed: Cotangent


def class_seed(sweeper: Sweeper, top: int) -> tuple[str, Cotangent]:
    """Choose the likeliest classes: their ids (B, K), and the gradients of their scores by all scores."""
    writer, name = sweeper.writer, sweeper.graph.output
    scores = Value(name, sweeper.probe.shapes[name])
    ids = writer.several("TopK", 2, name, [top], axis=1)[1]
    return ids, _seed(writer, scores, ids, top)


def node_seed(sweeper: Sweeper, name: str, count: int, by_class: Cotangent) -> Nodes:
    """Choose the nodes with the largest contribution (gradient times activation) to the likeliest class.

    Parameters
    ----------
    sweeper
        Where it is written.
    name
        Tensor (B, N), or (B, N, *S) whose channels are averaged over space.
    count
        How many.
    by_class
        The gradients of the likeliest classes by it.
    """
    writer, nodes = sweeper.writer, Value(name, sweeper.probe.shapes[name])
    flat = nodes.shape[:2]
    first = _first(by_class)
    spoken = first.times(nodes).whole().summed(list(range(2, len(nodes.shape))))
    ids = writer.several("TopK", 2, writer.reshape(spoken.name, flat), [count], axis=1)[1]
    means = writer.mean(name, list(range(2, len(nodes.shape)))) if len(nodes.shape) > 2 else name
    values = writer.op("GatherElements", writer.reshape(means, flat), ids, axis=1)
    return Nodes(ids, values, _seed(writer, nodes, ids, count))


def _first(found: Cotangent) -> Cotangent:
    """Keep the first target alone."""
    laid = found.whole([axis for axis, one in found.lazy.items() if isinstance(one, Picked)])
    return replace(laid, name=laid.writer.op("Slice", laid.name, [0], [1], [0]), targets=1)


def _seed(writer: Writer, nodes: Value, ids: str, count: int) -> Cotangent:
    """Start with one at each chosen node; spread, as a mean is, where nodes are channels."""
    indices = writer.op("Transpose", ids, perm=[1, 0])
    rank = len(nodes.shape)
    places = writer.op("Unsqueeze", indices, list(range(2, rank + 1)))
    share = 1 / product(nodes.shape[2:]).small
    ones = writer.op("Expand", share, writer.op("Shape", places))
    lazy: dict[int, Lazy] = {axis: Spread() for axis in range(2, rank) if nodes.shape[axis] != ONE}
    if nodes.shape[1] != ONE:
        lazy[1] = Picked(indices)
    return Cotangent(writer, ones, nodes.shape, count, lazy)
