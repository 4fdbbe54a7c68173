"""Weights that an ONNX file keeps in files beside it: why they cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, external_data_helper

from foveal.errors import UsageError, shown


def weights_fault(path: Path) -> UsageError | None:
    """Say what is wrong with the weights that a file keeps elsewhere; None where nothing is.

    Parameters
    ----------
    path
        What could not be read with its weights; of what is no ONNX file nothing is said.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError):
        return None
    faults = (_fault(path, location, end) for location, end in _places(model))
    return next((one for one in faults if one is not None), None)


def _places(model: ModelProto) -> Iterator[tuple[str, int]]:
    """Give by the file's own words in which other file each tensor lies, and at which byte it ends there."""
    attributes = (one for node in model.graph.node for one in node.attribute)
    stored: list[Any] = [*model.graph.initializer, *(one.t for one in attributes if one.HasField("t"))]
    for tensor in filter(external_data_helper.uses_external_data, stored):
        place = external_data_helper.ExternalDataInfo(tensor)
        yield place.location, (place.offset or 0) + (place.length or 0)


def _fault(path: Path, location: str, end: int) -> UsageError | None:
    file = path.parent / location
    keeps = f"{shown(path)!r} keeps weights in {location!r}"
    if os.pardir in Path(os.path.normpath(location)).parts or Path(location).is_absolute():
        mend = "Save it again with the weights beside it: onnx.save(model, path, save_as_external_data=True)"
        return UsageError(f"{keeps}, outside of its folder", mend)
    if file.is_symlink():
        return UsageError(f"{keeps}, which is a link", "Copy the file itself beside the .onnx file")
    if not file.is_file():
        return UsageError(f"{keeps}, which is not there", f"Copy {location!r} beside the .onnx file")
    if file.stat().st_size < end:
        return UsageError(f"{keeps}, which is cut short", f"Copy {location!r} beside the .onnx file again")
    return None
