"""Which tensor carries the maps, and which one the nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from foveal.errors import UsageError, nearest
from foveal.onnx_graphs.cotangents import Window
from foveal.onnx_graphs.cuts import cuts
from foveal.onnx_graphs.describing import SCORES
from foveal.onnx_graphs.extents import Extent
from foveal.onnx_graphs.finding import find_parts, obstacle, without_rule
from foveal.onnx_graphs.grids import Grid, read_grid
from foveal.onnx_graphs.seeds import class_seed
from foveal.onnx_graphs.sweeping import Sweeper, deciding, dependent
from foveal.onnx_graphs.writing import PREFIX, Writer


def find_layer(sweeper: Sweeper, name: str) -> tuple[str, Grid]:
    """Find the tensor where maps are taken.

    Parameters
    ----------
    sweeper
        Goes back through the network.
    name
        A tensor, by its name in the file or as Foveal calls the layer; ``auto`` for the last one with
        positions that everything passes and that all lead to the scores: behind the last attention of a
        transformer only the class token does. Of a segmentation network, for the last features before the
        convolution that gives the logits.

    Raises
    ------
    UsageError
        If there is none, or the named one is unknown, has no positions or does not lead to the scores.
    """
    if name == "auto":
        return _last_features(sweeper) if sweeper.graph.output == SCORES else _last(sweeper)
    placed = partial(read_grid, sweeper.graph, sweeper.probe)
    tensor = _tensor(sweeper, name, lambda one: placed(one) is not None)
    grid = placed(tensor)
    if grid is None:
        shape = _shown(sweeper, tensor)
        raise UsageError(f"Tensor {tensor!r} of shape {shape} has no positions", "Name another with --layer")
    return tensor, grid


def find_nodes(sweeper: Sweeper, name: str, layer: str) -> str:
    """Find the tensor of nodes (B, N) or channels (B, N, *S) behind the layer.

    Parameters
    ----------
    sweeper
        Goes back through the network.
    name
        A tensor, by its name in the file or as Foveal calls the layer.
    layer
        The tensor where maps are taken.

    Raises
    ------
    UsageError
        If there is none, or the named one holds no nodes or lies elsewhere.
    """
    behind = dependent(sweeper.graph, [layer])
    tensor = _tensor(sweeper, name, lambda one: one in behind and _holds_nodes(sweeper, one))
    if not _holds_nodes(sweeper, tensor):
        fault = f"Tensor {tensor!r} of shape {_shown(sweeper, tensor)} holds no nodes"
        raise UsageError(fault, "Name one of shape (batch, nodes) with --nodes")
    if tensor not in behind:
        fault = f"The nodes {tensor!r} do not depend on the layer {layer!r}"
        raise UsageError(fault, "Name a tensor behind the layer with --nodes, or an earlier one with --layer")
    return tensor


def _holds_nodes(sweeper: Sweeper, name: str) -> bool:
    shape = sweeper.probe.shapes[name]
    tokens = len(shape) == 3 and len(sweeper.probe.sample_shape) != 2
    return len(shape) > 1 and not tokens and all(one.is_fixed for one in shape[1:])


def _last(sweeper: Sweeper) -> tuple[str, Grid]:
    graph, probe = sweeper.graph, sweeper.probe
    for name in reversed(cuts(graph)[1:]):
        grid = read_grid(graph, probe, name)
        if grid is not None and (not grid.prefix or _all_lead(sweeper, name, grid)):
            return name, grid
    raise UsageError(
        "The network has no tensor with positions through which everything passes", "Name one with --layer"
    )


def _last_features(sweeper: Sweeper) -> tuple[str, Grid]:
    """Find the features that the logits of all positions are read from, as the module's choice does."""
    parts = [one for one in find_parts(sweeper.graph, sweeper.probe) if one.sides]
    last = max((place for place, one in enumerate(parts) if one.mixes), default=0)
    if not last and without_rule(sweeper.graph):
        raise UsageError(
            f"No gradient leads from the logits to features: {obstacle(sweeper.graph)}",
            "Name a layer behind it with --layer, or pack the network with its code",
        )
    if not last:
        raise UsageError("The network has no layer of features before its logits", "Name one with --layer")
    found = parts[last - 1]
    return found.tensor, Grid(found.order, found.sides, found.prefix)


def _all_lead(sweeper: Sweeper, name: str, grid: Grid) -> bool:
    """Tell whether all tokens lead to the scores, from what is known of the gradients' zeros."""
    graph, probe = sweeper.graph, sweeper.probe
    trial = Sweeper(graph, probe, Writer(graph.opset, sweeper.writer.dtype, graph.input.name))
    seed = class_seed(trial, 1)[1]
    found = trial.sweep(graph.output, seed, [name]).get(name)
    return found is not None and not isinstance(found.lazy.get(grid.order[2]), Window)


def _tensor(sweeper: Sweeper, name: str, fits: Callable[[str], bool]) -> str:
    """Find a tensor by its name in the file, or by what Foveal calls it as a layer.

    Raises
    ------
    UsageError
        If there is none; it names those that come nearest, of those that fit.
    """
    graph = sweeper.graph
    active = (dependent(graph, [graph.input.name]) & deciding(graph, graph.output)) - {graph.input.name}
    if name in active:
        return name
    layers = {part.name: part.tensor for part in find_parts(graph, sweeper.probe)}
    if name in layers:
        return layers[name]
    own = (one for one in graph.producers if not one.startswith(PREFIX))
    known = [one for one in own if one in active and fits(one)]
    raise UsageError(f"There is no tensor {name!r} between input and scores", nearest(name, known[::-1]))


def _shown(sweeper: Sweeper, name: str) -> str:
    return "(" + ", ".join(map(_length, sweeper.probe.shapes[name])) + ")"


def _length(one: Extent) -> str:
    return str(one.small) if one.is_fixed else "batch" if one.per_sample == 1 else f"{one.per_sample} batch"
