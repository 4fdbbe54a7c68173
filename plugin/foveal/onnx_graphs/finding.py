"""Where a network can be cut: the tensors that all passes, and how to call them."""

from __future__ import annotations

import re

from foveal.onnx_graphs.cuts import cuts
from foveal.onnx_graphs.grids import Grid, read_grid
from foveal.onnx_graphs.parts import PartSpec
from foveal.onnx_graphs.probing import Probe
from foveal.onnx_graphs.reading import Graph, Node
from foveal.onnx_graphs.stepping import RULES
from foveal.onnx_graphs.sweeping import active_nodes, deciding

#: Operators that make new features of neighbouring positions, or of whole rows.
_LOCAL = frozenset(["Conv", "ConvTranspose"])
_DENSE = frozenset(["MatMul", "Gemm"])
#: What may stand between the product and the row of nodes.
_TRIVIAL = frozenset(["Add", "Identity", "Reshape", "Squeeze", "Flatten"])
#: What exporters put around the name of the layer that a tensor comes from.
_AROUND = re.compile(r"^/|_output_0$")
#: Names that a module of torch, or its façade, has for itself.
_RESERVED = frozenset(
    [
        "apply",
        "buffers",
        "children",
        "closed",
        "compile",
        "cpu",
        "cuda",
        "double",
        "engine",
        "eval",
        "fields",
        "float",
        "forward",
        "half",
        "input",
        "modules",
        "parameters",
        "pinned",
        "predict",
        "spreading",
        "to",
        "train",
        "training",
        "type",
        "xpu",
    ]
)


def find_parts(graph: Graph, probe: Probe) -> tuple[PartSpec, ...]:
    """List the tensors at which a network can be cut and from which gradients lead to the scores.

    Parameters
    ----------
    graph, probe
        The network, and what is known of its tensors.

    Returns
    -------
    tuple of PartSpec
        In the order of the network; the last is the scores. One alone means that there is no other.
    """
    names = [name for name in _open(graph) if name == graph.output or _is_layer(graph, probe, name)]
    found: list[PartSpec] = []
    for name, before in zip(names, [graph.input.name, *names], strict=False):
        found.append(_part(graph, probe, name, before, {one.name for one in found}))
    return tuple(found)


def obstacle(graph: Graph) -> str:
    """Say why a network has no tensor with positions from which gradients lead to the scores."""
    closed = without_rule(graph)
    if not closed:
        return "the network has no tensor with positions through which everything passes"
    return f"node {closed[-1].name!r} ({closed[-1].operator}) has no rule"


def without_rule(graph: Graph) -> list[Node]:
    """List the nodes between input and output through which no gradient goes back."""
    nodes = active_nodes(graph, graph.input.name, graph.output)
    return [node for node in nodes if node.operator not in RULES]


def _open(graph: Graph) -> list[str]:
    """Keep the cuts, the input aside, behind which every operator has a rule; the scores in any case."""
    closed = without_rule(graph)
    blocked = {name for node in closed for taken in node.inputs for name in deciding(graph, taken)}
    names = [name for name in cuts(graph)[1:] if name not in blocked]
    return names if graph.output in names else [*names, graph.output]


def _is_layer(graph: Graph, probe: Probe, name: str) -> bool:
    """Tell whether a tensor holds nodes (B, N), or positions."""
    shape, batch = probe.shapes[name], probe.shapes[graph.input.name][0]
    if not probe.dtypes.get(name, "").startswith("float") or batch not in shape[:2]:
        return False
    plain = shape[0] == batch and all(one.is_fixed for one in shape[1:])
    rows = plain and len(shape) in (2, 1 + len(probe.sample_shape))
    return rows or read_grid(graph, probe, name) is not None


def _part(graph: Graph, probe: Probe, name: str, before: str, taken: set[str]) -> PartSpec:
    grid = read_grid(graph, probe, name) or Grid((), ())
    shape, batch = probe.shapes[name], probe.shapes[graph.input.name][0]
    nodes = active_nodes(graph, before, name) if grid.sides else []
    return PartSpec(
        name=_layer_name(name, taken),
        tensor=name,
        order=grid.order,
        sides=grid.sides,
        prefix=grid.prefix,
        convolves=any(_mixes(node, probe, grid.sides) for node in nodes),
        dense=len(shape) == 2 and _comes_from_dense(graph, name),
        batch_axis=0 if shape[0] == batch else 1,
    )


def _mixes(node: Node, probe: Probe, sides: tuple[int, ...]) -> bool:
    """Tell whether a node makes features at a resolution."""
    made = probe.shapes[node.outputs[0]]
    same = tuple(one.small for one in made[-len(sides) :]) == sides
    return node.operator in _DENSE or (node.operator in _LOCAL and same)


def _comes_from_dense(graph: Graph, name: str) -> bool:
    """Tell whether a tensor is a product with a matrix, a bias included."""
    node = graph.producers.get(name)
    while node is not None and node.operator in _TRIVIAL:
        node = next((graph.producers[one] for one in node.inputs if one in graph.producers), None)
    return node is not None and node.operator in _DENSE


def _layer_name(tensor: str, taken: set[str]) -> str:
    """Give a tensor a name that is no other's and none of a module's own."""
    bare = _AROUND.sub("", _AROUND.sub("", tensor))
    plain = re.sub(r"\W+", "_", bare, flags=re.ASCII).strip("_") or "tensor"
    name = f"{plain}_" if plain in _RESERVED else plain
    numbered = (f"{name}_{number}" if number > 1 else name for number in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)
