"""An ONNX file in the worker: what was settled at the desk is carried beside it.

The serving worker imports this: the standard library, torch, numpy and onnxruntime only.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch

from foveal.capture.parted import Parted
from foveal.errors import UsageError
from foveal.facades.sessions import SessionEngine
from foveal.onnx_graphs.carried import CARRIED, Carried
from foveal.onnx_graphs.chaining import Chain, open_session
from foveal.onnx_graphs.parts import PartSpec

_log = logging.getLogger(__name__)


def open_carried(path: Path, threads: int | None = None) -> Parted:
    """Present the ONNX file of an unpacked archive as a module.

    Where what is carried beside it is missing, damaged or another file's, the network predicts all the same,
    without layers to look at.

    Parameters
    ----------
    path
        The file.
    threads
        How many threads one run may use; as many as torch, where none is given.

    Raises
    ------
    UsageError
        If onnxruntime does not open the file.
    """
    try:
        carried = Carried.read(path.with_name(CARRIED))
        _check(path, carried)
    except UsageError as error:
        _log.warning("Foveal sees no layers of %s: %s", path.name, error)
        carried = Carried((PartSpec("scores", _first_output(path)),), {}, None, "", {})
    count = torch.get_num_threads() if threads is None else threads
    chain = Chain(path, carried.parts, carried, carried.batch, threads=count)
    module = Parted(SessionEngine(chain), carried.pinned)
    module.fields = carried.fields
    return module


def _check(path: Path, carried: Carried) -> None:
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if sha256 != carried.model_sha256:
        raise UsageError(f"{CARRIED} was made for another file than {path.name}", "Pack the archive again")


def _first_output(path: Path) -> str:
    """Name the scores of a file of which nothing is known."""
    return str(open_session(path).get_outputs()[0].name)
