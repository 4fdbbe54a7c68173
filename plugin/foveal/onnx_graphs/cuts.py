"""Tensors that every path from input to output passes: nothing gets by a map that is taken there."""

from __future__ import annotations

from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.sweeping import active_nodes


def cuts(graph: Graph) -> list[str]:
    """Name the tensors that all evidence passes, in the order of the network, input and output included.

    Shapes and comparisons, through which no gradient goes, are no paths.
    """
    nodes = active_nodes(graph, graph.input.name, graph.output)
    last = {name: place for place, node in enumerate(nodes) for name in node.inputs}
    reached, pending, found = {graph.input.name}, {graph.input.name}, [graph.input.name]
    for place, node in enumerate(nodes):
        if not reached.intersection(node.inputs):
            continue
        made = {name for name in node.outputs if name in last or name == graph.output}
        reached |= made
        pending = {name for name in pending | made if last.get(name, -1) > place or name == graph.output}
        if len(pending) == 1 and pending <= made:
            found += pending
    return found
