"""Networks that come as a file of their own: ONNX, TorchScript, exported programs; settings lie beside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
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
from foveal.facades.occluded import Occluded
from foveal.onnx_graphs.carried import CARRIED, Carried
from foveal.samples.kinds import Transform, read_transform
from foveal.segmenting.settings import SECTION, read_section, segmented

#: What may stand in the settings.
_KEYS = ("foveal", "labels", "preprocess", "model")


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

    What an archive would say of its preprocessing, labels, watching and segmenting stands in a file of the
    same name that ends in ``.yaml``, with the keys ``preprocess``, ``labels``, ``foveal`` and ``model``.

    Raises
    ------
    UsageError
        If there is no such file, it holds no such network, or what its samples look like is not said.
    EnvironmentFault
        If a package is missing.
    """
    if not path.is_file():
        raise UsageError(f"No model at {uri}", "Give the path of an .onnx, .pt or .pt2 file")
    settings = settings_beside(path)
    given = read_transform(settings["preprocess"]) if settings.get("preprocess") else None
    opened = OPENERS[path.suffix](path, uri, None if given is None else given.blank())
    return AuditedModel(
        name=path.stem,
        module=segmenting(opened.module, settings, uri),
        transform=given or _guessed(opened.sample_shape, uri),
        labels=tuple(map(str, settings.get("labels") or ())),
        config=FovealConfig.from_mapping(settings.get("foveal") or {}, environ),
        sha256=opened.sha256,
        source=uri,
    )


def open_serialized(path: Path, uri: str, blank: Tensor | None, settings: Mapping[str, Any]) -> nn.Module:
    """Open the network of an unpacked archive that holds it as a file of its own.

    Parameters
    ----------
    path
        The file.
    uri
        What to call it in errors.
    blank
        A sample (1, C, *S) as it is given to it, where the preprocessing fixes the size.
    settings
        The archive's.

    Raises
    ------
    UsageError
        If it holds no such network.
    """
    module = OPENERS[path.suffix](path, uri, blank).module
    if isinstance(module, Parted) and path.with_name(CARRIED).is_file():
        module.pinned = dict(Carried.read(path.with_name(CARRIED)).pinned)
    return segmenting(module, settings, uri)


def segmenting(network: nn.Module, settings: Mapping[str, Any], uri: str) -> nn.Module:
    """Put the façade before a network that is said to segment, see :mod:`foveal.segmenting.settings`.

    Raises
    ------
    UsageError
        If the section is not as described, or the network's layers cannot be reached.
    """
    section = read_section(settings)
    if section is not None and section.output is not None and isinstance(network, Parted):
        raise UsageError(
            f"{uri} is looked at by its first output, and the settings name {section.output!r}",
            "Leave 'output' out, and export the network with its logits first",
        )
    found = segmented(network, settings)
    closed = "" if found is network else _closed(network)
    if closed:
        raise UsageError(
            f"{uri} cannot be explained as a segmentation network: {closed}",
            "Pack the network with its code (foveal pack --kind segmentation)",
        )
    return found


def _closed(network: nn.Module) -> str:
    """Say why the features that scores of positions are made of cannot be reached; empty where they can."""
    if isinstance(network, Occluded):
        return network.closed
    if isinstance(network, Parted) and not any(one.layout for one in network.engine.parts[:-1]):
        return "no gradient leads from its scores to features with positions"
    return ""


def settings_beside(network: Path) -> dict[str, Any]:
    """Read what the file of the same name that ends in ``.yaml`` says; nothing where there is none.

    Raises
    ------
    UsageError
        If it is no YAML, or has other keys than those of :func:`load_bare`.
    """
    path = network.with_suffix(".yaml")
    if not path.is_file():
        return {}
    import yaml  # noqa: PLC0415 - most files have no settings

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{path.name} cannot be read as YAML ({reason})", "Mend it, or remove it") from error
    _check_keys(content, _KEYS, path.name)
    _check_keys(content.get("model") or {}, [SECTION], f"the model section of {path.name}")
    return dict(content)


def _check_keys(content: object, known: Sequence[str], where: str) -> None:
    for key in content if isinstance(content, dict) else ["?"]:
        if key not in known:
            raise UsageError(f"Unknown key {key!r} in {where}", nearest(str(key), known))


def _guessed(shape: tuple[int, ...], uri: str) -> Transform:
    """Take images of the network's size, scaled to 0..1; other samples cannot be guessed."""
    if len(shape) != 3:
        raise _unsaid(uri, f"takes samples of shape {shape}", len(shape) - 1)
    size = None if prod(shape[1:]) == 0 else [int(side) for side in shape[1:]]
    return read_transform({"size": size, "channels": int(shape[0])})


#: Axes of a sample -> what is to be written in the preprocess section.
_SECTIONS = {
    1: "kind: signal or kind: audio, rate, channels, mean, std",
    2: "size, channels, mean, std",
    3: "kind: volume, size, channels, mean, std",
}


def _unsaid(uri: str, what: str, axes: int = 2) -> UsageError:
    beside = Path(uri).with_suffix(".yaml").name
    return UsageError(
        f"{uri} {what} and does not say how they are preprocessed",
        f"Write a preprocess section ({_SECTIONS.get(axes, _SECTIONS[2])}) into {beside} beside it",
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
        raise _unsaid(uri, "leaves the size of its samples open", len(shape) - 1)
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
