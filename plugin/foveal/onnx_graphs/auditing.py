"""Append reverse mode to an ONNX file: it then gives, beside its scores, what they rest on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, helper

from foveal.errors import UsageError
from foveal.onnx_graphs.cotangents import Cotangent, Value
from foveal.onnx_graphs.describing import (
    CLASS_IDS,
    KEY,
    MAPS,
    NODE_ACTIVATIONS,
    NODE_IDS,
    NODE_MAPS,
    Description,
)
from foveal.onnx_graphs.grids import Grid
from foveal.onnx_graphs.layers import find_layer, find_nodes
from foveal.onnx_graphs.mapping import gradcam
from foveal.onnx_graphs.probing import Probe, probe
from foveal.onnx_graphs.reading import Graph, batch_dim
from foveal.onnx_graphs.seeds import class_seed, node_seed
from foveal.onnx_graphs.segmenting import scored, segments
from foveal.onnx_graphs.sweeping import Sweeper
from foveal.onnx_graphs.writing import PREFIX, Writer


@dataclass(frozen=True)
class Request:
    """What is asked of an audited file.

    Attributes
    ----------
    layer
        The tensor where maps are taken, by its name in the file or as Foveal calls the layer; or ``auto``.
    top
        For how many of the likeliest classes.
    nodes
        A tensor of nodes, each of which may have a map; empty for none.
    node_count
        For how many nodes.
    sample_shape
        Shape of one sample (C, *S), where the file leaves it open.
    background
        Of a segmentation network, the class that stands for nothing found; None where there is none.
    """

    layer: str = "auto"
    top: int = 3
    nodes: str = ""
    node_count: int = 16
    sample_shape: tuple[int, ...] | None = None
    background: int | None = 0


def audited(model: ModelProto, request: Request | None = None) -> tuple[ModelProto, Description]:
    """Append reverse mode to a classifier or a segmentation network.

    The nodes of the file stay as they are; new ones come behind them.

    Parameters
    ----------
    model
        The network: one input (B, C, *S), first output scores (B, n) or logits (B, n, *S'). It is not
        changed.
    request
        What is asked for.

    Returns
    -------
    tuple of ModelProto and Description
        The new file, whose further outputs are ``foveal_class_ids`` (B, K) and ``foveal_maps`` (B, K, *grid),
        of a segmentation network before them ``foveal_scores`` (B, n), which says how much of each was found;
        where nodes are asked for also ``foveal_node_ids``, ``foveal_node_activations`` (B, N) and
        ``foveal_node_maps`` (B, N, *grid).

    Raises
    ------
    UsageError
        If the file is no such network, a tensor does not fit, or an operator on the way has no rule.
    """
    request = request or Request()
    source = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    plain = Graph(model)
    _check_new(plain)
    graph, known = _explained(plain, request)
    classes = _classes(graph, known)
    sweeper = Sweeper(graph, known, Writer(graph.opset, known.dtypes[graph.output], graph.input.name))
    layer, grid = find_layer(sweeper, request.layer)
    nodes = find_nodes(sweeper, request.nodes, layer) if request.nodes else ""
    count = min(request.node_count, known.shapes[nodes][1].small) if nodes else 0
    top = min(request.top, classes)
    _write(sweeper, _Plan(layer, grid, top, nodes, count))
    description = Description(
        input=graph.input.name,
        output=plain.output,
        sample_shape=known.sample_shape,
        layer=layer,
        grid=grid.sides,
        order=grid.order,
        prefix=grid.prefix,
        top=top,
        nodes=nodes,
        node_count=count,
        batches=known.batches,
        source_sha256=source,
        scores=graph.output,
        background=None if graph is plain else request.background,
    )
    return _assembled(sweeper, description), description


def _explained(plain: Graph, request: Request) -> tuple[Graph, Probe]:
    """Give the network whose first output is what is explained: one score per class."""
    known = probe(plain, request.sample_shape)
    if not segments(plain, known):
        return plain, known
    graph = Graph(scored(plain, known, request.background))
    return graph, probe(graph, request.sample_shape)


@dataclass(frozen=True)
class _Plan:
    """What is written, settled."""

    layer: str
    grid: Grid
    top: int
    nodes: str
    count: int


def _write(sweeper: Sweeper, plan: _Plan) -> None:
    writer, wanted = sweeper.writer, {plan.layer, plan.nodes} - {""}
    ids, seed = class_seed(sweeper, plan.top)
    found = sweeper.sweep(sweeper.graph.output, seed, wanted)
    _name(writer, CLASS_IDS, ids)
    _name(writer, MAPS, _maps(sweeper, plan, found))
    if plan.nodes:
        nodes = node_seed(sweeper, plan.nodes, plan.count, found[plan.nodes])
        _name(writer, NODE_IDS, nodes.ids)
        _name(writer, NODE_ACTIVATIONS, nodes.activations)
        back = sweeper.sweep(plan.nodes, nodes.seed, {plan.layer})
        _name(writer, NODE_MAPS, _maps(sweeper, plan, back))


def _maps(sweeper: Sweeper, plan: _Plan, found: dict[str, Cotangent]) -> str:
    layer = Value(plan.layer, sweeper.probe.shapes[plan.layer])
    return gradcam(found[plan.layer], layer, plan.grid)


def _name(writer: Writer, output: str, name: str) -> None:
    writer.nodes.append(helper.make_node("Identity", [name], [output], name=PREFIX + output))


def _check_new(graph: Graph) -> None:
    if MAPS in graph.producers:
        raise UsageError("The ONNX file has been audited before", "Give the file that it was made from")


def _classes(graph: Graph, known: Probe) -> int:
    shape, dtype = known.shapes[graph.output], known.dtypes[graph.output]
    batch = known.shapes[graph.input.name][0]
    if len(shape) != 2 or shape[0] != batch or not shape[1].is_fixed or not dtype.startswith("float"):
        sizes = ", ".join(str(one.small) for one in shape)
        fault = f"The first output {graph.output!r} is {dtype} of shape ({sizes}) at a batch of {batch.small}"
        mend = "Export a network whose first output is one score per class, or one for every position"
        raise UsageError(fault, mend)
    return shape[1].small


def _assembled(sweeper: Sweeper, description: Description) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(sweeper.graph.model)
    made.graph.node.extend(sweeper.writer.nodes)
    made.graph.initializer.extend(sweeper.writer.constants)
    if description.segments:  # the original's first output stays the first
        scores = made.graph.output.pop(0)
        made.graph.output.append(scores)
    made.graph.output.extend(_outputs(sweeper, description))
    helper.set_model_props(made, {**_metadata(made), KEY: description.to_json()})
    return made


def _outputs(sweeper: Sweeper, description: Description) -> list[object]:
    batch = batch_dim(sweeper.graph)
    real = helper.np_dtype_to_tensor_dtype(np.dtype(sweeper.writer.dtype))
    whole, maps = TensorProto.INT64, [description.top, *description.grid]
    shapes = [(CLASS_IDS, whole, [description.top]), (MAPS, real, maps)]
    if description.nodes:
        count = description.node_count
        shapes += [(NODE_IDS, whole, [count]), (NODE_ACTIVATIONS, real, [count])]
        shapes += [(NODE_MAPS, real, [count, *description.grid])]
    return [helper.make_tensor_value_info(name, kind, [batch, *shape]) for name, kind, shape in shapes]


def _metadata(model: ModelProto) -> dict[str, str]:
    return {one.key: one.value for one in model.metadata_props}
