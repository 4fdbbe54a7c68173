"""Build an audited TorchServe archive from a plain model: its file, its weights and how samples reach it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from foveal.archives.drafting import drafted
from foveal.archives.entries import KINDS, ONNX, ONNX_SEGMENTATION, SAMPLES, SEGMENTATION, read_entry
from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.model import AuditedModel, load_model
from foveal.attribution import get_evidence_method
from foveal.config import FovealConfig
from foveal.errors import UsageError, nearest
from foveal.samples.kinds import DEFAULT, Kind, get_kind, read_transform
from foveal.segmenting.settings import SECTION

#: What TorchServe itself reads from a model-config.yaml, as far as it concerns these archives.
SERVING_DEFAULTS: dict[str, Any] = {
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": 1,
    "maxBatchDelay": 20,
    "responseTimeout": 120,
    "startupTimeout": 120,
}
_SERVING_KEYS = (
    *SERVING_DEFAULTS,
    "clientTimeoutInMills",
    "deviceIds",
    "deviceType",
    "handler",
    "jobQueueSize",
    "maxRetryTimeoutInSec",
    "pt2",
    "useJobTicket",
)
_OWN_KEYS = ("foveal", "model", "preprocess")
#: What an archive's ``model`` section holds where nothing else is said.
_OF_THE_KIND: dict[str, dict[str, Any]] = {SEGMENTATION: {"segmentation": {"background": 0}}}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-.]*")
#: Modules that the worker needs and an archive's file of the same name would replace.
_TAKEN = frozenset(
    {"foveal", "foveal_handlers", "torch", "numpy", "PIL", "ts", "yaml", "psutil", "onnxruntime"}
)


@dataclass(frozen=True)
class _Plan:
    """All that goes into one archive, checked."""

    kind: str
    name: str
    model_file: Path | None
    weights: Path | None
    extra_files: tuple[Path, ...]
    settings: dict[str, Any]
    labels: tuple[str, ...]

    @property
    def source(self) -> str:
        """Name of the file that the network comes from."""
        own = self.model_file or self.weights
        return "the network" if own is None else own.name

    @property
    def entry(self) -> tuple[str, str]:
        """The entry file, and its name in the archive."""
        segments = self.kind == ONNX and SECTION in self.settings.get("model", {})
        return ONNX_SEGMENTATION if segments else KINDS[self.kind]


def pack(
    kind: str,
    model_file: Path | None,
    weights: Path | None,
    out: Path,
    *,
    name: str | None = None,
    size: Sequence[int] | None = None,
    channels: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    rate: float | None = None,
    labels: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    model_class: str | None = None,
    extra_files: Sequence[Path] = (),
) -> Path:
    """Build an archive that serves and audits a model. The same inputs give the same bytes.

    The archive is loaded once, and where the input size is known one blank sample is passed through it,
    before it takes its place.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    model_file, weights, model_class
        See :func:`foveal.archives.eager.load_eager`; of kind ``onnx``, `weights` is the ONNX file and there
        is no model file. Where its output has positions, it is a segmentation network; kind ``segmentation``
        takes such a file as well.
    out
        Where the ``.mar`` file is written; a file that is there is replaced.
    name
        Name under which the model is served; the stem of `out` where none is given.
    size, channels, mean, std, rate
        Sides of the input (height and width of images; one number for all axes), number of channels, the
        normalisation of values in [0, 1], and of traces the steps per second. What is given here goes before
        the ``preprocess`` section of `config`.
    labels
        The name of every class, in the order of the outputs.
    config
        The content of a ``model-config.yaml``: ``foveal``, ``preprocess`` and TorchServe's own keys.
    extra_files
        Files that the model file imports or reads; they lie beside it in the archive.

    Raises
    ------
    UsageError
        When an input is missing or wrong, or the model does not load or run.
    EnvironmentFault
        When the archive cannot be written.
    """
    given = {"size": size, "channels": channels, "mean": mean, "std": std, "rate": rate}
    kind = _made_of(_require_kind(kind), model_file, weights)
    transform = _transform_mapping(kind, config, _stated(kind, weights), _told(given))
    plan = _Plan(
        kind=kind,
        name=_require_name(name or out.stem),
        model_file=_require_module_name(_require_file(model_file, "model file")) if model_file else None,
        weights=_require_file(weights, "weights") if weights else None,
        extra_files=tuple(_require_module_name(_require_file(path, "extra file")) for path in extra_files),
        settings=_settings(_of_the_kind(kind, weights), config or {}, transform, model_class),
        labels=tuple(labels),
    )
    _write_checked(plan, out)
    return out


def _require_kind(kind: str) -> str:
    """Insist on a kind that can be built."""
    if kind not in KINDS:
        raise UsageError(f"Kind {kind!r} cannot be packed", f"Kinds that can: {', '.join(KINDS)}")
    return kind


def _require_name(name: str) -> str:
    """Insist on a name that TorchServe takes in its addresses."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"Model name {name!r} cannot be served",
            "Give a --name of letters, digits, '_', '-' and '.', beginning with a letter or digit",
        )
    return name


def _require_file(path: Path, what: str) -> Path:
    """Insist on a file that is there."""
    if not path.is_file():
        raise UsageError(f"No {what} at {path}", "Check the path")
    return path


def _require_module_name(path: Path) -> Path:
    """Refuse a file that would stand in for a module the worker needs."""
    stem = path.stem
    if path.suffix == ".py" and (stem in sys.stdlib_module_names or stem in _TAKEN):
        raise UsageError(
            f"{path.name} would hide the module {stem!r} from the serving worker",
            "Give the file another name",
        )
    return path


def _transform_mapping(
    kind: str, config: Mapping[str, Any] | None, stated: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Join what the network's file states, the preprocess section, and what was given beside them."""
    section = {"kind": SAMPLES[kind], **((config or {}).get("preprocess") or {})}
    sample = get_kind(str(section["kind"]))
    told = _require_known(sample, dict(given))
    if len(told.get("size", ())) == 1:
        told["size"] *= len(sample.axes)
    known = dict(stated)
    if len(known.get("size", sample.axes)) != len(sample.axes):
        del known["size"]  # a network on spectrograms states theirs
    mapping = read_transform({**known, **section, **told}).to_mapping()
    return mapping if sample.name == DEFAULT else {"kind": sample.name, **mapping}


def _require_known(sample: Kind, told: dict[str, Any]) -> dict[str, Any]:
    """Insist that the kind of samples has what was given."""
    for key in told.keys() - sample.transform({}).to_mapping().keys():
        raise UsageError(
            f"A sample of kind {sample.name!r} has no {key}",
            f"Leave --{key} out, or name another kind: --kind, or preprocess: {{kind: ..}} in --config",
        )
    return told


def _told(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what was given, sequences as YAML writes them."""
    told = {key: value for key, value in given.items() if value is not None}
    return {key: list(value) if isinstance(value, Sequence) else value for key, value in told.items()}


def _stated(kind: str, weights: Path | None) -> dict[str, Any]:
    """Say what the network's file itself states of its samples."""
    if kind != ONNX or weights is None:
        return {}
    from foveal.archives.onnx_pieces import stated  # noqa: PLC0415 - needs the package onnx

    return stated(weights)


def _made_of(kind: str, model_file: Path | None, weights: Path | None) -> str:
    """Insist on the files that a kind is made of; a segmentation network may be an ONNX file."""
    if kind == SEGMENTATION and model_file is None and weights is not None and weights.suffix == ".onnx":
        kind = ONNX
    if kind != ONNX and model_file is None:
        raise UsageError(f"Kind {kind!r} needs a model file", "Give --model-file, which defines the network")
    if kind == ONNX and (model_file is not None or weights is None or weights.suffix != ".onnx"):
        raise UsageError("Kind 'onnx' is made of an .onnx file alone", "Give it as --weights MODEL.onnx")
    if weights is not None:
        _require_file(weights, "weights")
    return kind


def _of_the_kind(kind: str, weights: Path | None) -> dict[str, Any]:
    """Say what the ``model`` section holds where nothing else is said."""
    if kind != ONNX or weights is None:
        return _OF_THE_KIND.get(kind, {})
    from foveal.archives.onnx_pieces import segments  # noqa: PLC0415 - needs the package onnx

    return _OF_THE_KIND[SEGMENTATION] if segments(weights) else {}


def _settings(
    usual: Mapping[str, Any],
    config: Mapping[str, Any],
    transform: Mapping[str, Any],
    model_class: str | None,
) -> dict[str, Any]:
    """Make the content of the archive's model-config.yaml."""
    known = (*_SERVING_KEYS, *_OWN_KEYS)
    for key in config:
        if key not in known:
            raise UsageError(f"Unknown key {key!r} in the configuration", nearest(str(key), known))
    # In full, so that a later default cannot change what this archive does; and without this machine's
    # variables, which belong to where it is served.
    watched = FovealConfig.from_mapping(config.get("foveal") or {}, environ={})
    get_evidence_method(watched.method)
    section = watched.to_mapping()
    settings = {**SERVING_DEFAULTS, **config, "preprocess": dict(transform), "foveal": section}
    own = {**usual, **(config.get("model") or {})}
    own |= {"class": model_class} if model_class else {}
    return settings | ({"model": own} if own else {})


def _write_checked(plan: _Plan, out: Path) -> None:
    """Write the archive beside its place, try it, and only then let it take the place."""
    with drafted(out) as draft:
        with draft.open("wb") as target:
            write_archive(_contents(plan), target)
        _try(draft, plan)


def _contents(plan: _Plan) -> dict[str, bytes | Path]:
    """List the archive's files by their names inside it."""
    entry, entry_name = plan.entry
    files: dict[str, bytes | Path] = {
        entry_name: read_entry(entry),
        "model-config.yaml": yaml.safe_dump(plan.settings, sort_keys=True).encode(),
        MANIFEST: _json(_manifest(plan, entry_name)),
    }
    if plan.labels:
        files["index_to_name.json"] = _json({str(index): label for index, label in enumerate(plan.labels)})
    for name, content in _network_files(plan).items():
        if name in files:
            raise UsageError(f"Two files of the archive are called {name!r}", "Rename one of them")
        files[name] = content
    return files


def _network_files(plan: _Plan) -> dict[str, bytes | Path]:
    """List the files that make the network."""
    found: dict[str, bytes | Path] = {}
    own = [path for path in (plan.model_file, plan.weights, *plan.extra_files) if path is not None]
    for path in own:
        if path.name in found:
            raise UsageError(f"Two files of the archive are called {path.name!r}", "Rename one of them")
        found[path.name] = path
    if plan.kind != ONNX or plan.weights is None:
        return found
    from foveal.archives.onnx_pieces import carried_files  # noqa: PLC0415 - needs the package onnx

    settings = plan.settings
    return found | carried_files(plan.weights, read_transform(settings["preprocess"]).blank(), settings)


def _manifest(plan: _Plan, entry_name: str) -> dict[str, Any]:
    """Make the manifest: what the archiver writes, without the clock that would change the archive's hash."""
    model = {
        "modelName": plan.name,
        "modelVersion": "1.0",
        "handler": entry_name,
        "configFile": "model-config.yaml",
    }
    if plan.model_file:
        model["modelFile"] = plan.model_file.name
    if plan.weights:
        model["serializedFile"] = plan.weights.name
    return {"runtime": "python", "model": model, "archiverVersion": "0.12.0"}


def _json(content: Mapping[str, Any]) -> bytes:
    """Write JSON that is the same every time."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()


def _try(draft: Path, plan: _Plan) -> None:
    """Load an archive and pass a blank image through it where its size is known."""
    try:
        model = load_model(str(draft), environ={})
    except UsageError as error:  # the user knows the archive by the name it will have
        raise UsageError(error.fault.replace(f"{draft.parent}{os.sep}", ""), error.mend) from error
    example = model.example()
    if example is not None:
        _require_output(model, example, plan)
        model.observer(example).close()


def _require_output(model: AuditedModel, example: Tensor, plan: _Plan) -> None:
    """Insist on one row of scores, one score per label."""
    shape = "x".join(str(side) for side in example.shape[1:])
    try:
        with torch.inference_mode():
            output = model.module(example)
    except Exception as error:  # the model is the user's: whatever it raises is reported with its name
        raise UsageError(
            f"{plan.source} does not run on a {shape} input ({str(error).splitlines()[0]})",
            "Check --size and --channels",
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 1:
        raise UsageError(
            f"{plan.source} gives {_describe(output)} for one {shape} input, not class scores",
            "Pack a classifier that returns (batch, classes)",
        )
    classes = max(2, output.shape[1])  # one logit speaks for the second of two classes
    if plan.labels and len(plan.labels) != classes:
        raise UsageError(
            f"{len(plan.labels)} labels for a model of {classes} classes",
            "Give one label per class, in order",
        )


def _describe(output: object) -> str:
    """Name what a model returned."""
    return f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
