"""Generators on disk: tensors and a line of JSON in one safetensors file, nothing that could run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from foveal.errors import UsageError
from foveal_audit.spans import FULL, Span

from .generator import Generator, Origin
from .mixture import Mixture
from .registry import KINDS
from .texture import Texture

WEIGHTS = "weights.safetensors"
_FORMAT = 1
#: One key only: the file format writes its table of metadata in random order, and equal means equal bytes.
_KEY = "foveal"


def weights_bytes(generator: Generator) -> bytes:
    """Write all tensors and what is needed to read them back; equal generators give equal bytes."""
    tensors = {"axis_sd": generator.axis_sd, **generator.mixture.tensors(), **generator.tensors()}
    tensors |= {} if generator.texture is None else generator.texture.tensors()
    about = {
        "format": _FORMAT,
        "kind": generator.kind,
        "shape": list(generator.shape),
        "origin": asdict(generator.origin),
        **({} if generator.span == FULL else {"span": generator.span.to_json()}),
    }
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    data: bytes = save(arrays, metadata={_KEY: json.dumps(about, sort_keys=True)})
    return data


def load_generator(directory: Path) -> Generator:
    """Read the generator back from an exported folder.

    Raises
    ------
    UsageError
        No generator there, a damaged file, or one written by a newer version.
    """
    path = Path(directory) / WEIGHTS
    if not path.is_file():
        raise UsageError(
            f"No generator in {directory}: {WEIGHTS} is missing", "Name a folder below generators/"
        )
    try:
        about, tensors = _read(path)
        return _restored(about, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UsageError(f"{path} is not a generator ({fault})", "Export it again") from fault


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    with safe_open(str(path), framework="numpy") as file:
        about = json.loads((file.metadata() or {})[_KEY])
        return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _restored(about: dict[str, Any], tensors: dict[str, NDArray[np.float32]]) -> Generator:
    if about["format"] != _FORMAT:
        raise ValueError(f"format {about['format']} is not {_FORMAT}")
    shape = tuple(int(side) for side in about["shape"])
    if math.prod(shape) > max(array.size for array in tensors.values()):
        raise ValueError("its shape does not fit its tensors")  # before anything of that size is allocated
    restored = KINDS[about["kind"]].restores.restore(
        tensors,
        shape,
        tensors["axis_sd"],
        Mixture.restore(tensors),
        Origin(**about["origin"]),
    )
    span = Span.of_json(about.get("span", FULL.to_json()))
    return replace(restored, texture=Texture.restore(tensors), span=span)
