"""A network in an ONNX file, read: its nodes, who makes and who takes each tensor, its constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import ModelProto, helper, inliner, numpy_helper

from foveal.errors import UsageError, shown
from foveal.onnx_graphs.external import weights_fault

#: Older files say with attributes what newer ones say with inputs, and Softmax meant something else.
OLDEST_OPSET = 13

#: Bytes of weights that fit into one file, of which protobuf allows 2 GB, with room for what is added.
LARGEST = 2_000_000_000


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes
    ----------
    name
        Its name in the file, or what it makes where it has none.
    operator
        What it computes; prefixed with the domain where that is not ONNX's own.
    inputs, outputs
        Names of tensors; empty where an optional one is left out.
    attributes
        Its settings.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


class Graph:
    """A network of one input and one score per class.

    Parameters
    ----------
    model
        The file's content. Functions of its own are written out.

    Raises
    ------
    UsageError
        If it is older than opset 13, takes more than one tensor, or is too large for one file.
    """

    def __init__(self, model: ModelProto) -> None:
        _check_size(model)
        self.model = inliner.inline_local_functions(model) if model.functions else model
        self.opset = _opset(self.model)
        self.nodes = [_read(node) for node in self.model.graph.node]
        self._initializers = {one.name: one for one in self.model.graph.initializer}
        self.input = self._only_input()
        self.output: str = self.model.graph.output[0].name

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def constant(self, name: str) -> NDArray[Any] | None:
        """Give the value of a tensor that the file itself holds, copies of such included; else None."""
        while (node := self.producers.get(name)) is not None and node.operator == "Identity":
            name = node.inputs[0]
        if name in self._initializers:
            return np.asarray(numpy_helper.to_array(self._initializers[name]))
        return _value(node) if node is not None and node.operator == "Constant" else None

    def is_stored(self, name: str) -> bool:
        """Tell whether the file holds this tensor among its weights."""
        return name in self._initializers

    def _only_input(self) -> Any:  # noqa: ANN401 - onnx publishes no types
        found = [one for one in self.model.graph.input if one.name not in self._initializers]
        if len(found) != 1:
            names = ", ".join(repr(one.name) for one in found) or "none"
            raise UsageError(
                f"The ONNX file takes {len(found)} tensors ({names})", "Export the network with one input"
            )
        return found[0]


def batch_dim(graph: Graph) -> int | str:
    """Give the first axis of the input as a file writes it: a length, or a name."""
    first = graph.input.type.tensor_type.shape.dim[0]
    return first.dim_value if first.HasField("dim_value") else first.dim_param or "batch"


def load(path: Path) -> ModelProto:
    """Read an ONNX file with its external weights.

    Raises
    ------
    UsageError
        If it is missing or no ONNX file, or its weights are in other files and those cannot be read.
    """
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        lost = shown(getattr(error, "filename", None) or path)
        raise UsageError(f"There is no file {lost!r}", "Give the path of an .onnx file") from error
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise weights_fault(path) or _no_onnx(path) from error
    if not model.graph.node or not model.graph.output:
        raise _no_onnx(path)
    return model


def _no_onnx(path: Path) -> UsageError:
    return UsageError(f"{shown(path)!r} is no ONNX file", "Give a file that onnx.checker accepts")


def _check_size(model: ModelProto) -> None:
    size = sum(len(one.raw_data) for one in model.graph.initializer)
    if size > LARGEST:
        raise UsageError(
            f"The ONNX file holds {size / 1e9:.1f} GB of weights",
            f"Give one of less than {LARGEST / 1e9:.0f} GB",
        )


def _opset(model: ModelProto) -> int:
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    version = int(max(versions, default=0))
    if version < OLDEST_OPSET:
        raise UsageError(
            f"The ONNX file is of opset {version}", f"Export it again at opset {OLDEST_OPSET} or later"
        )
    return version


def _read(node: Any) -> Node:  # noqa: ANN401 - onnx publishes no types
    settings = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in settings.items()}
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}:{node.op_type}"
    outputs: Sequence[str] = tuple(node.output)
    made = next(filter(None, outputs), "")
    return Node(node.name or made, operator, tuple(node.input), tuple(outputs), plain)


def _value(node: Node) -> NDArray[Any] | None:
    """Read a Constant node; None where it holds text."""
    attributes = dict(node.attributes)
    if "value" in attributes:
        return np.asarray(numpy_helper.to_array(attributes["value"]))
    kinds = {
        "value_int": np.int64,
        "value_ints": np.int64,
        "value_float": np.float32,
        "value_floats": np.float32,
    }
    return next((np.asarray(attributes[key], kind) for key, kind in kinds.items() if key in attributes), None)
