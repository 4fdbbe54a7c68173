"""What an archive of an ONNX network carries beside it, so that its worker needs onnxruntime alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from foveal.archives.bare_files import segmenting
from foveal.capture import choose_node_layer
from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError
from foveal.onnx_graphs.carried import CARRIED
from foveal.samples.kinds import read_transform
from foveal.segmenting.fields import fields_of
from foveal.segmenting.network import Segmenter

if TYPE_CHECKING:
    from onnx import ModelProto


def stated(weights: Path) -> dict[str, Any]:
    """Say what an ONNX file states of its samples: ``size`` and ``channels``, as far as it does."""
    from foveal.facades.cut_files import shape_of  # noqa: PLC0415 - needs the package onnx

    channels, *sides = shape_of(_loaded(weights))
    found: dict[str, Any] = {} if channels is None else {"channels": channels}
    return found | ({"size": sides} if sides and None not in sides else {})


def segments(weights: Path) -> bool:
    """Tell whether an ONNX file states that its output has positions."""
    output = _loaded(weights).graph.output[0].type.tensor_type.shape.dim
    return any(one.dim_value != 1 for one in output[2:])


def carried_files(weights: Path, blank: Tensor | None, settings: Mapping[str, Any]) -> dict[str, bytes]:
    """Make the files of an archive: the network in one piece, and what is carried beside it.

    Parameters
    ----------
    weights
        The ONNX file; tensors that it keeps in files of their own are put into it.
    blank
        A sample (1, C, *S) as it will be given.
    settings
        The archive's: ``foveal`` says what is to be watched, whose layers are chosen here, and ``model``
        whether the network segments.

    Raises
    ------
    UsageError
        If the network cannot be read or run, or no layer of it can be watched.
    """
    content = _in_one_piece(weights, _loaded(weights))
    return {weights.name: content, CARRIED: _carried(weights, blank, settings, content)}


def _carried(weights: Path, blank: Tensor | None, settings: Mapping[str, Any], content: bytes) -> bytes:
    """Choose the layers, and cut what a worker needs to look at them."""
    from foveal.facades.cut_files import cut  # noqa: PLC0415 - needs the package onnx
    from foveal.facades.occluded import Occluded  # noqa: PLC0415
    from foveal.onnx_graphs.carried import carry  # noqa: PLC0415
    from foveal.tapping import tapped  # noqa: PLC0415

    cutter, module = cut(_loaded(weights), None if blank is None else tuple(blank.shape[1:]))
    if isinstance(module, Occluded):
        raise UsageError(
            f"{weights.name} cannot be watched while it serves: {module.closed}",
            "Serve it with a handler of its own; offline, foveal collect asks it cell by cell",
        )
    module = segmenting(module, settings, weights.name)
    x = torch.zeros(1, *cutter.probe.sample_shape) if blank is None else blank
    config = FovealConfig.from_mapping(settings.get("foveal") or {}, environ={})
    tap, _ = tapped(module, config, x)
    pinned = {"layer": tap.layer}
    with suppress(UsageError):
        pinned["nodes"] = choose_node_layer(module, x)
    names = list(dict.fromkeys([tap.layer, *tap.node_layers]))
    tap.close()
    fields = _fields(module, x, names) if isinstance(module, Segmenter) else ()
    return carry(cutter, names, pinned, hashlib.sha256(content).hexdigest(), fields).to_bytes()


def _fields(module: Segmenter, x: Tensor, names: Sequence[str]) -> list[dict[str, Any]]:
    """Measure what the worker's onnxruntime would not show: which part of a sample each position reads."""
    found = {name: fields_of(module, x, name) for name in names}
    return [{"layer": name, **one.to_mapping()} for name, one in found.items() if one is not None]


def carried_beside(weights: Path, settings: Mapping[str, Any]) -> dict[str, bytes]:
    """Make what is carried beside the ONNX file of an archive that stays as it is.

    Parameters
    ----------
    weights
        The file.
    settings
        As in :func:`carried_files`, and ``preprocess`` where the file leaves the shape of its samples open.

    Raises
    ------
    UsageError
        As :func:`carried_files`.
    """
    blank = read_transform(settings["preprocess"]).blank() if settings.get("preprocess") else None
    return {CARRIED: _carried(weights, blank, settings, weights.read_bytes())}


def _loaded(weights: Path) -> ModelProto:
    try:
        from foveal.onnx_graphs.reading import load  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fault = f"Package {error.name!r} is not installed"
        raise EnvironmentFault(fault, "Install it with pip install 'foveal[audit]'") from error
    return load(weights)


def _in_one_piece(weights: Path, model: ModelProto) -> bytes:
    """Give the file as it is, or written anew where tensors lie outside or an audit was appended."""
    from foveal.onnx_graphs.cutting import unaudited  # noqa: PLC0415

    plain, content = unaudited(model), weights.read_bytes()
    return content if plain is model and len(content) >= plain.ByteSize() else plain.SerializeToString()
