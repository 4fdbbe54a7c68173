"""Where a network averages a layer over all positions, and needs it for nothing else, gradients stop there.

Behind such a pool the gradient is the same at every position. Differentiating by the pool's output instead
of the layer's saves writing that out for every target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

#: Operations behind the layer beyond which no pool is looked for: it would not be the network's end.
_MOST_NODES = 64


def find_pool(tensors: Sequence[Tensor], leaf: Tensor) -> GradientEdge | None:
    """Find the mean over all positions through which alone a leaf reaches the tensors.

    Parameters
    ----------
    tensors
        What is differentiated.
    leaf
        Activations (B, C, *S) with a graph; its copy is what the network got.

    Returns
    -------
    GradientEdge or None
        The mean's output; None where there is more to the leaf's use, or the graph is long.
    """
    if leaf.ndim < 3 or not leaf.requires_grad:
        return None
    edges = list(_edges(tensors))
    if len(edges) > _MOST_NODES:
        return None
    copies = _consumers(edges, get_gradient_edge(leaf).node)
    if len(copies) != 1 or copies[0] in {tensor.grad_fn for tensor in tensors}:
        return None
    uses = _consumers(edges, copies[0])
    return GradientEdge(uses[0], 0) if len(uses) == 1 and _averages(uses[0], leaf) else None


def _edges(tensors: Sequence[Tensor]) -> Iterator[tuple[Node, Node]]:
    """List who consumes whom, (consumer, consumed), up to just above the number that matters."""
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen, count = set(waiting), 0
    while waiting and count <= _MOST_NODES:
        node = waiting.pop()
        for consumed, _ in node.next_functions:
            if consumed is None:
                continue
            count += 1
            yield node, consumed
            if consumed not in seen:
                seen.add(consumed)
                waiting.append(consumed)


def _consumers(edges: Sequence[tuple[Node, Node]], node: Node) -> list[Node]:
    return [consumer for consumer, consumed in edges if consumed is node]


def _averages(node: Any, leaf: Tensor) -> bool:  # noqa: ANN401 - what a node keeps depends on its kind
    """Whether a node is a mean over all positions, and those alone."""
    if node.name() != "MeanBackward1" or node._saved_dim is None:
        return False
    axes = {_signed(axis) % leaf.ndim for axis in node._saved_dim}
    return axes == set(range(2, leaf.ndim))


def _signed(axis: int) -> int:
    """Axes are kept as unsigned numbers, -1 as the largest."""
    return axis - 2**64 if axis >= 2**63 else axis
