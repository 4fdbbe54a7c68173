"""Write an ONNX file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from foveal.errors import EnvironmentFault, shown


def save(model: ModelProto, path: Path) -> None:
    """Write a model with its weights into one file.

    Raises
    ------
    EnvironmentFault
        If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        onnx.save_model(model, part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EnvironmentFault(
            f"{shown(path)!r} cannot be written: {error.strerror or error}", "Name another place with -o"
        ) from error
