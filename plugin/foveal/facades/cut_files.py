"""An ONNX file at the desk, where any piece of it can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from onnx import ModelProto
from torch import nn

from foveal.capture.parted import Parted
from foveal.facades.occluded import Occluded
from foveal.facades.sessions import SessionEngine
from foveal.onnx_graphs.chaining import Chain
from foveal.onnx_graphs.cutting import Cutter, unaudited
from foveal.onnx_graphs.finding import obstacle
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.spreading import spreading


def present(model: ModelProto, sample_shape: Sequence[int] | None = None) -> nn.Module:
    """Present an ONNX network as a module.

    Parameters
    ----------
    model
        The file's content; of an audited one, what it was made from is presented.
    sample_shape
        Of one sample (C, *S), where the file leaves it open.

    Returns
    -------
    nn.Module
        Whose layers are the tensors that everything passes; where no gradient leads to one with positions, a
        module that can only be asked.

    Raises
    ------
    UsageError
        If it is none that can be read or run.
    """
    return cut(model, sample_shape)[1]


def cut(model: ModelProto, sample_shape: Sequence[int] | None = None) -> tuple[Cutter, nn.Module]:
    """Present an ONNX network as a module, and give what cuts it; see :func:`present`."""
    model = unaudited(model)
    cutter = Cutter(model, sample_shape)
    chain = Chain(model.SerializeToString(deterministic=True), cutter.parts, cutter, cutter.batch)
    engine = SessionEngine(chain)
    if not any(part.sides for part in cutter.parts):
        return cutter, Occluded(engine.predict, obstacle(cutter.graph))
    module = Parted(engine)
    module.spreading = partial(_spreading, model, sample_shape)
    return cutter, module


def _spreading(model: ModelProto, sample_shape: Sequence[int] | None) -> nn.Module | None:
    made = spreading(model)
    return None if made is None else present(made, sample_shape)


def content_of(model: ModelProto) -> bytes:
    """Serialise a file: the same bytes wherever its tensors lay."""
    whole = ModelProto()
    whole.CopyFrom(model)
    for tensor in whole.graph.initializer:
        tensor.ClearField("data_location")
        tensor.ClearField("external_data")
    return bytes(whole.SerializeToString(deterministic=True))


def shape_of(model: ModelProto) -> tuple[int | None, ...]:
    """Give the shape (C, *S) of a sample, as far as a file says it."""
    dims = Graph(model).input.type.tensor_type.shape.dim
    return tuple(one.dim_value if one.HasField("dim_value") else None for one in dims[1:])
