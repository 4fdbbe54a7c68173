"""What shapes the tensors of a network have: it is run at two batch sizes, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from foveal.errors import UsageError
from foveal.onnx_graphs.extents import LARGE, SMALL, Shape, from_probes
from foveal.onnx_graphs.faults import FAULTS
from foveal.onnx_graphs.reading import Graph

_ASKED = "foveal_shape_of/"


@dataclass(frozen=True)
class Probe:
    """What two runs showed.

    Attributes
    ----------
    shapes
        Of every tensor.
    dtypes
        Of every tensor, as numpy names them.
    values
        Of what operators take beside their first input (axes, indices, limits), where no batch changes it.
    counting
        Those of them that count 0, 1, 2, ... whatever the batch: exporters write views so.
    sample_shape
        Of one sample (C, *S).
    batches
        Whether the file takes batches of any size.
    """

    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]
    values: Mapping[str, NDArray[Any]]
    counting: frozenset[str]
    sample_shape: tuple[int, ...]
    batches: bool


def probe(graph: Graph, sample_shape: Sequence[int] | None = None) -> Probe:
    """Run a network on noise, at two batch sizes where it takes batches.

    Parameters
    ----------
    graph
        The network.
    sample_shape
        Shape of one sample (C, *S), where the file leaves it open.

    Raises
    ------
    UsageError
        If the file takes other than floating point numbers, leaves the sample's shape open, or does not run.
    """
    batch, shape, dtype = sample_shape_of(graph, sample_shape)
    sizes = (SMALL, LARGE) if batch is None else (batch, batch)
    session, names = _session(graph)
    parameters = sorted(_parameters(graph) & set(names))
    runs = [_run(session, graph, noise(size, shape, dtype), names, parameters) for size in sorted(set(sizes))]
    shapes = {
        name: from_probes(first, second)
        for name, first, second in zip(names, runs[0][0], runs[-1][0], strict=True)
    }
    shapes |= {one.name: from_probes(one.dims, one.dims) for one in graph.model.graph.initializer}
    shapes[graph.input.name] = from_probes((sizes[0], *shape), (sizes[1], *shape))
    values = {name: first for name, first in runs[0][1].items() if np.array_equal(first, runs[-1][1][name])}
    counting = frozenset(name for name in runs[0][1] if all(_counts(run[1][name]) for run in runs))
    dtypes = dict.fromkeys(graph.producers, _SEQUENCE) | _dtypes(session, graph, dtype)
    return Probe(shapes, dtypes, values, counting, shape, batch is None)


def sample_shape_of(
    graph: Graph, given: Sequence[int] | None = None
) -> tuple[int | None, tuple[int, ...], str]:
    """Say how many samples a file takes (None: any number), of which shape (C, *S) and type.

    Raises
    ------
    UsageError
        If it takes other than floating point numbers, or neither it nor `given` fixes the shape.
    """
    lengths, dtype = _input(graph)
    return lengths[0], _sample_shape(lengths[1:], given), dtype


def noise(size: int, shape: Sequence[int], dtype: str = "float32", seed: int = 0) -> NDArray[Any]:
    """Draw samples (size, *shape) of normal noise; the first of more are the same as of fewer."""
    return np.random.default_rng(seed).standard_normal((size, *shape)).astype(dtype)


def open_session(model: ModelProto, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """Open a model in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _input(graph: Graph) -> tuple[list[int | None], str]:
    tensor = graph.input.type.tensor_type
    dtype = str(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
    if not dtype.startswith("float"):
        raise UsageError(
            f"The ONNX file takes {dtype} numbers as {graph.input.name!r}",
            "Export the network for float32 samples",
        )
    return [one.dim_value if one.HasField("dim_value") else None for one in tensor.shape.dim], dtype


def _sample_shape(lengths: Sequence[int | None], given: Sequence[int] | None) -> tuple[int, ...]:
    known = tuple(lengths if given is None else given)
    fits = len(known) == len(lengths) and all(
        own in (None, one) for own, one in zip(lengths, known, strict=True)
    )
    if not fits:
        shape = ",".join("?" if one is None else str(one) for one in lengths)
        raise UsageError(
            f"Samples of shape {','.join(map(str, known))} do not fit the file's {shape}",
            "Mend --shape, or the preprocess section",
        )
    closed = [one for one in known if one is not None]
    if len(closed) < len(known):
        raise UsageError(
            "The ONNX file leaves the shape of a sample open", "Give one, such as --shape 3,224,224"
        )
    return tuple(closed)


def _parameters(graph: Graph) -> set[str]:
    """Name what operators take beside their first input, computed from shapes and constants alone."""
    taken = {name for node in graph.nodes for name in node.inputs[1:]} - _sampled(graph)
    return {name for name in taken if name in graph.producers and graph.constant(name) is None}


def _sampled(graph: Graph) -> set[str]:
    """Name what depends on the samples' numbers, not only on their shape."""
    found = {graph.input.name}
    for node in graph.nodes:
        if node.operator not in ("Shape", "Size") and found.intersection(node.inputs):
            found.update(node.outputs)
    return found


#: What may give sequences of tensors, which have no shape.
_OF_SEQUENCES = frozenset(
    ["If", "Loop", "SequenceMap", "SequenceInsert", "SequenceErase", "SequenceConstruct", "SequenceEmpty"]
) | {"SplitToSequence"}
#: Their numbers may matter: what leads through them needs a rule.
_SEQUENCE = "float sequence"


def _session(graph: Graph) -> tuple[onnxruntime.InferenceSession, list[str]]:
    """Let every tensor be asked for, and every tensor's shape."""
    try:
        names = _tensors(graph)
        model = _asking(graph, [name for one in names for name in (one, _ASKED + one)])
        model.graph.node.extend(helper.make_node("Shape", [name], [_ASKED + name]) for name in names)
        return open_session(model, optimised=False), names
    except FAULTS as error:
        raise _not_running(error) from error


def _tensors(graph: Graph) -> list[str]:
    """Name what nodes give, less sequences of tensors."""
    names = list(graph.producers)
    if not any(node.operator in _OF_SEQUENCES for node in graph.nodes):
        return names
    session = open_session(_asking(graph, names), optimised=False)
    return [one.name for one in session.get_outputs() if one.type.startswith("tensor(")]


def _asking(graph: Graph, names: Sequence[str]) -> ModelProto:
    model = ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.output[:]
    model.graph.output.extend(ValueInfoProto(name=name) for name in names)
    return model


def _run(
    session: onnxruntime.InferenceSession,
    graph: Graph,
    x: NDArray[Any],
    names: Sequence[str],
    parameters: Sequence[str],
) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
    kinds = {one.name: one for one in session.get_outputs()}
    small = [name for name in parameters if _is_small(kinds[name])]
    try:
        found = session.run([*(_ASKED + name for name in names), *small], {graph.input.name: x})
    except FAULTS as error:
        raise _not_running(error) from error
    return found[: len(names)], dict(zip(small, found[len(names) :], strict=True))


def _counts(found: NDArray[Any]) -> bool:
    return found.dtype.kind == "i" and np.array_equal(found.reshape(-1), np.arange(found.size))


def _is_small(output: Any) -> bool:  # noqa: ANN401 - onnxruntime publishes no types
    """Tell whether a tensor is a list, or of whole numbers: no activations are kept."""
    return "float" not in output.type or len(output.shape) < 2


def _dtypes(session: onnxruntime.InferenceSession, graph: Graph, dtype: str) -> dict[str, str]:
    known = {"float": "float32", "double": "float64"}
    kinds = {one.name: one.type.removeprefix("tensor(").removesuffix(")") for one in session.get_outputs()}
    found = {name: known.get(kind, kind) for name, kind in kinds.items() if not name.startswith(_ASKED)}
    return {**found, graph.input.name: dtype}


def _not_running(error: Exception) -> UsageError:
    reason = str(error).strip().splitlines()[-1].rstrip(".")
    return UsageError(f"onnxruntime does not run the file: {reason}", "Mend the file, or export it again")
