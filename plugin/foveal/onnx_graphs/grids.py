"""How a tensor is arranged in space: where its channels are, and where its positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from foveal.onnx_graphs.extents import Shape
from foveal.onnx_graphs.probing import Probe
from foveal.onnx_graphs.reading import Graph

#: Tokens before the patches that are believed: class, distillation, and up to six registers.
_MOST_PREFIX = 8
#: Operators that say where channels are: behind the batch, or last.
_CHANNELS_FIRST = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "BatchNormalization",
        "InstanceNormalization",
        "GroupNormalization",
        "Resize",
        "DepthToSpace",
        "SpaceToDepth",
    ]
)
_CHANNELS_LAST = frozenset(["LayerNormalization", "MatMul", "Gemm"])


@dataclass(frozen=True)
class Grid:
    """How to read a tensor as (B, C, *S).

    Attributes
    ----------
    order
        Its axes in that order; tokens have one axis of positions.
    sides
        The spatial shape.
    prefix
        How many tokens come before the patches.
    """

    order: tuple[int, ...]
    sides: tuple[int, ...]
    prefix: int = 0

    @property
    def positions(self) -> int:
        """How many there are."""
        return prod(self.sides)


def read_grid(graph: Graph, probe: Probe, name: str) -> Grid | None:
    """Tell how a tensor is arranged; None where it has no more than one position.

    Parameters
    ----------
    graph, probe
        The network, and what is known of its tensors.
    name
        The tensor.
    """
    shape, rank = probe.shapes[name], 1 + len(probe.sample_shape)
    if not probe.dtypes.get(name, "").startswith("float") or len(shape) < 3:
        return None
    if len(shape) == 3 and (rank != 3 or _ends_in_features(graph, name)):
        return _read_tokens(graph, probe, shape)
    if len(shape) != rank or shape[0] != probe.shapes[graph.input.name][0]:
        return None
    last = _is_scaled(shape[1:-1], probe) and not _is_scaled(shape[2:], probe)
    order = (0, rank - 1, *range(1, rank - 1)) if last else tuple(range(rank))
    sides = [shape[axis] for axis in order[2:]]
    if not all(one.is_fixed for one in (*sides, shape[order[1]])):
        return None
    found = Grid(order, tuple(one.small for one in sides))
    return found if found.positions > 1 else None


def _read_tokens(graph: Graph, probe: Probe, shape: Shape) -> Grid | None:
    batch = probe.shapes[graph.input.name][0]
    first = shape[0] != batch
    if batch not in shape[:2]:
        return None
    count = shape[0] if first else shape[1]
    if not count.is_fixed or count.small < 2:
        return None
    found = sorted((count.small - prod(sides), sides) for sides in _grids(graph, probe))
    fits = [(prefix, sides) for prefix, sides in found if 0 <= prefix <= _MOST_PREFIX]
    if not fits:
        return None
    prefix, sides = fits[0]
    return Grid((1, 2, 0) if first else (0, 2, 1), sides, prefix)


def _grids(graph: Graph, probe: Probe) -> Iterator[tuple[int, ...]]:
    """List the grids that convolutions give; tokens are made from one of them."""
    for node in graph.nodes:
        if node.operator == "Conv":
            yield tuple(one.small for one in probe.shapes[node.outputs[0]][2:])


def _is_scaled(extents: Shape, probe: Probe) -> bool:
    """Whether positions are the sample's, shrunk by one factor along every axis."""
    sides = probe.sample_shape[1:]
    return len({side / own.small for side, own in zip(sides, extents, strict=True)}) == 1


def _ends_in_features(graph: Graph, name: str) -> bool:
    """Whether a tensor's channels are last, by the operators that it comes from."""
    turned = False
    while (node := graph.producers.get(name)) is not None:
        if node.operator in _CHANNELS_FIRST | _CHANNELS_LAST:
            return (node.operator in _CHANNELS_LAST) != turned
        turned ^= node.operator == "Transpose"
        name = next((one for one in node.inputs if one in graph.producers), "")
    return turned
