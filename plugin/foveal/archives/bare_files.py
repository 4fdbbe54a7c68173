"""Networks that come as a file of their own: ONNX, TorchScript, exported programs; settings lie beside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foveal.archives.model import AuditedModel
from foveal.capture.parted import Parted
from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError, nearest
from foveal.onnx_graphs.carried import CARRIED, Carried
from foveal.samples.kinds import Transform, read_transform

#: What may stand in the settings.
_KEYS = ("foveal", "labels", "preprocess")


@dataclass(frozen=True)
class Opened:
    """What a file holds.

    Attributes
    ----------
    module
        The network, or its façade.
    sha256
        Identity of the network.
    sample_shape
        Of one sample (C, *S), where the file tells; empty where not.
    """

    module: nn.Module
    sha256: str
    sample_shape: tuple[int, ...] = ()


def load_bare(path: Path, uri: str, environ: Mapping[str, str] | None) -> AuditedModel:
    """Load a network from a file of its own.

    What an archive would say of its preprocessing, labels and watching stands in a file of the same name that
    ends in ``.yaml``, with the keys ``preprocess``, ``labels`` and ``foveal``.

    Raises
    ------
    UsageError
        If there is no such file, it holds no such network, or what its samples look like is not said.
    EnvironmentFault
        If a package is missing.
    """
    if not path.is_file():
        raise UsageError(f"No model at {uri}", "Give the path of an .onnx, .pt or .pt2 file")
    settings = _settings(path.with_suffix(".yaml"))
    given = read_transform(settings["preprocess"]) if settings.get("preprocess") else None
    opened = OPENERS[path.suffix](path, uri, None if given is None else given.blank())
    return AuditedModel(
        name=path.stem,
        module=opened.module,
        transform=given or _guessed(opened.sample_shape, uri),
        labels=tuple(map(str, settings.get("labels") or ())),
        config=FovealConfig.from_mapping(settings.get("foveal") or {}, environ),
        sha256=opened.sha256,
        source=uri,
    )


def open_serialized(path: Path, uri: str, blank: Tensor | None) -> nn.Module:
    """Open the network of an unpacked archive that holds it as a file of its own.

    Parameters
    ----------
    path
        The file.
    uri
        What to call it in errors.
    blank
        A sample (1, C, *S) as it is given to it, where the preprocessing fixes the size.

    Raises
    ------
    UsageError
        If it holds no such network.
    """
    module = OPENERS[path.suffix](path, uri, blank).module
    if isinstance(module, Parted) and path.with_name(CARRIED).is_file():
        module.pinned = dict(Carried.read(path.with_name(CARRIED)).pinned)
    return module


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    import yaml  # noqa: PLC0415 - most files have no settings

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{path.name} cannot be read as YAML ({reason})", "Mend it, or remove it") from error
    for key in content if isinstance(content, dict) else ["?"]:
        if key not in _KEYS:
            raise UsageError(f"Unknown key {key!r} in {path.name}", nearest(str(key), _KEYS))
    return dict(content)


def _guessed(shape: tuple[int, ...], uri: str) -> Transform:
    """Take images of the network's size, scaled to 0..1; other samples cannot be guessed."""
    if len(shape) != 3:
        raise _unsaid(uri, f"takes samples of shape {shape}")
    size = None if prod(shape[1:]) == 0 else [int(side) for side in shape[1:]]
    return read_transform({"size": size, "channels": int(shape[0])})


def _unsaid(uri: str, what: str) -> UsageError:
    beside = Path(uri).with_suffix(".yaml").name
    return UsageError(
        f"{uri} {what} and does not say how they are preprocessed",
        f"Write a preprocess section (size, channels, mean, std) into {beside} beside it",
    )


def _open_onnx(path: Path, uri: str, blank: Tensor | None) -> Opened:
    try:
        from foveal.facades.cut_files import content_of, present, shape_of  # noqa: PLC0415 - needs the package onnx
        from foveal.onnx_graphs.reading import load  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fault = f"Package {error.name!r} is not installed"
        raise EnvironmentFault(fault, "Install it with pip install 'foveal[audit]'") from error
    model = load(path)
    shape = shape_of(model) if blank is None else tuple(blank.shape[1:])
    if None in shape:
        raise _unsaid(uri, "leaves the size of its samples open")
    sha256 = hashlib.sha256(content_of(model)).hexdigest()
    known = tuple(int(side) for side in shape if side is not None)
    try:
        return Opened(present(model, known), sha256, known)
    except UsageError as error:
        raise UsageError(f"{uri}: {error.fault}", error.mend) from error


def _open_script(path: Path, uri: str, blank: Tensor | None) -> Opened:
    from foveal.facades.scripted import present_script  # noqa: PLC0415

    try:
        model = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"{uri} is no TorchScript file",
            "Give what torch.jit.save wrote, or pack weights with foveal pack",
        ) from error
    if blank is None:
        raise _unsaid(uri, "is TorchScript, which leaves the shape of its samples open,")
    return Opened(present_script(model, blank), _file_sha256(path), tuple(blank.shape[1:]))


def _open_program(path: Path, uri: str, blank: Tensor | None) -> Opened:  # noqa: ARG001 - as the others
    from foveal.facades.exported import present_program, sample_shape  # noqa: PLC0415

    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises what it likes for what is no program
        raise UsageError(f"{uri} is no exported program", "Give what torch.export.save wrote") from error
    try:
        return Opened(present_program(program), _file_sha256(path), sample_shape(program))
    except UsageError as error:
        raise UsageError(f"{uri}: {error.fault}", error.mend) from error


def _file_sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


#: Suffix -> what opens such a file; it is given a blank input where the settings tell one.
OPENERS: dict[str, Callable[[Path, str, Tensor | None], Opened]] = {
    ".onnx": _open_onnx,
    ".pt": _open_script,
    ".pt2": _open_program,
}
