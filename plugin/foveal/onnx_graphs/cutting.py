"""Pieces of a network as files of their own: from one tensor on to another, and gradients back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from foveal.onnx_graphs.chaining import FOUND, GIVEN, SEED
from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.describing import KEY
from foveal.onnx_graphs.finding import find_parts
from foveal.onnx_graphs.parts import PartSpec
from foveal.onnx_graphs.probing import Probe, probe
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.sweeping import Sweeper
from foveal.onnx_graphs.writing import Writer

#: Pieces that are kept; a network is asked for few of them at a time.
_KEPT = 32


class Cutter:
    """Cuts a network.

    Parameters
    ----------
    model
        Its file.
    sample_shape
        Of one sample (C, *S), where the file leaves it open.

    Attributes
    ----------
    graph, probe
        The network, and what is known of its tensors.
    parts
        Where it can be cut.

    Raises
    ------
    UsageError
        If the file is none that can be read or run.
    """

    def __init__(self, model: ModelProto, sample_shape: Sequence[int] | None = None) -> None:
        self.graph: Graph = Graph(model)
        self.probe: Probe = probe(self.graph, sample_shape)
        self.parts: tuple[PartSpec, ...] = find_parts(self.graph, self.probe)
        self.forth = lru_cache(_KEPT)(self._forth)
        self.back = lru_cache(_KEPT)(self._back)

    @property
    def batch(self) -> int | None:
        """How many samples the file takes at a time; None for any number."""
        return None if self.probe.batches else self.probe.shapes[self.graph.input.name][0].small

    def _forth(self, start: str, ends: tuple[str, ...]) -> bytes:
        """Make the file that runs from a tensor on to others; the samples' own size is left open."""
        nodes = [self._renamed(node, start) for node in self.graph.model.graph.node]
        return self._piece(start, nodes, (), ends, ())

    def _back(self, start: str, end: str) -> bytes:
        """Make the file that takes a tensor and gradients by a later one, and gives the gradients by it.

        Raises
        ------
        UsageError
            If a node on the way has no rule.
        """
        shapes, batch = self.probe.shapes, self.probe.shapes[self.graph.input.name][0]
        whose = start if shapes[start][0] == batch else self.graph.input.name
        writer = Writer(self.graph.opset, self.probe.dtypes[end], whose)
        seed = Cotangent(writer, SEED, shapes[end], 1)
        found = Sweeper(self.graph, self.probe, writer).sweep(end, seed, [start])[start].whole()
        writer.nodes.append(helper.make_node("Identity", [found.name], [FOUND]))
        nodes = [self._renamed(node, start) for node in (*self.graph.model.graph.node, *writer.nodes)]
        return self._piece(start, nodes, writer.constants, (FOUND,), (SEED,))

    def _renamed(self, node: NodeProto, start: str) -> NodeProto:
        """Let a node take what is given in place of what the network makes."""
        if start not in node.input:
            return node
        copy = NodeProto()
        copy.CopyFrom(node)
        for place, name in enumerate(node.input):
            if name == start:
                copy.input[place] = GIVEN
        return copy

    def _piece(
        self,
        start: str,
        nodes: Sequence[NodeProto],
        constants: Sequence[TensorProto],
        ends: tuple[str, ...],
        seeds: tuple[str, ...],
    ) -> bytes:
        kept, names = needed(nodes, ends)
        model = ModelProto(ir_version=self.graph.model.ir_version)
        model.opset_import.extend(self.graph.model.opset_import)
        model.graph.name = "piece"
        model.graph.node.extend(kept)
        stored = (*self.graph.model.graph.initializer, *constants)
        model.graph.initializer.extend(one for one in stored if one.name in names)
        own = self.graph.input.name
        for name in (GIVEN, *seeds, *([own] if own in names else [])):
            kind = self._kind(start if name == GIVEN else own)
            model.graph.input.append(
                ValueInfoProto(name=name, type=helper.make_tensor_type_proto(kind, None))
            )
        model.graph.output.extend(ValueInfoProto(name=name) for name in ends)
        return bytes(model.SerializeToString(deterministic=True))

    def _kind(self, tensor: str) -> int:
        kind: int = helper.np_dtype_to_tensor_dtype(np.dtype(self.probe.dtypes[tensor]))
        return kind


def unaudited(model: ModelProto) -> ModelProto:
    """Take what an audit has appended off a file again; others are given back as they are."""
    if not any(one.key == KEY for one in model.metadata_props):
        return model
    plain = ModelProto()
    plain.CopyFrom(model)
    output = plain.graph.output[0]
    kept, names = needed(plain.graph.node, [output.name])
    stored = [one for one in plain.graph.initializer if one.name in names]
    for field, own in (("node", kept), ("initializer", stored), ("output", [output])):
        plain.graph.ClearField(field)
        getattr(plain.graph, field).extend(own)
    return plain


def needed(nodes: Sequence[NodeProto], ends: Iterable[str]) -> tuple[list[NodeProto], set[str]]:
    """Keep the nodes that some tensors need, and name all that these take."""
    names, kept = set(ends), []
    for node in reversed(nodes):
        if names.intersection(node.output):
            kept.append(node)
            names.update(filter(None, node.input))
            names.update(_captured(node))
    return kept[::-1], names


def _captured(node: NodeProto) -> set[str]:
    """Name what the graphs inside a node (branches, loops) take from outside."""
    inner = [one.g for one in node.attribute if one.HasField("g")]
    return {name for graph in inner for part in graph.node for name in (*part.input, *_captured(part))}
