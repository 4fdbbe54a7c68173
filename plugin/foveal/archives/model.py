"""Load the model to audit, as it is deployed: its network, its preprocessing, its labels and its settings."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from foveal.archives.eager import load_eager
from foveal.archives.mar import archive_sha256, opened, read_manifest, read_own_settings
from foveal.archives.settings import model_class_of
from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError, nearest
from foveal.samples.kinds import Decoded, Kind, Transform, get_kind, read_transform
from foveal.samples.transform import ImageTransform
from foveal.segmenting.settings import segmented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foveal.observer import Observer


@dataclass(frozen=True)
class AuditedModel:
    """A model together with all that its deployment fixes about it.

    Attributes
    ----------
    name
        The name under which it is served.
    module
        The network, in evaluation mode, on the CPU.
    transform
        What is done to a sample before it reaches the network.
    labels
        The name of every class, in the order of the outputs; empty where none are known.
    config
        The ``foveal:`` section of its settings.
    sha256
        Identity of the archive (see :func:`foveal.archives.mar.archive_sha256`), or of the weights where a
        model comes without one.
    source
        The MODEL argument it was loaded from.
    """

    name: str
    module: nn.Module
    transform: Transform
    labels: tuple[str, ...]
    config: FovealConfig
    sha256: str
    source: str

    @property
    def kind(self) -> Kind:
        """The kind of samples that it takes."""
        return get_kind(self.transform.kind)

    def example(self) -> Tensor | None:
        """Give a blank input (1, C, *grid), or nothing where the preprocessing fixes no size."""
        return self.transform.blank()

    def tensor(self, sample: Decoded, name: str = "") -> Tensor:
        """Give what the network takes (C, *grid) of a sample, called ``name`` in errors."""
        return self.transform(sample.values, name, sample.spacing)

    def observer(self, example: Tensor, name: str = "example") -> Observer:
        """Give the observer; layers are chosen on ``example`` (1, C, *grid), called ``name``."""
        from foveal.observer import Observer  # noqa: PLC0415 - observing is not needed to load a model

        return Observer(self.module, self.transform, self.config, self.sha256, example, name)


def load_model(uri: str, environ: Mapping[str, str] | None = None) -> AuditedModel:
    """Load a model to audit. This runs the model's own code, as serving it does.

    Parameters
    ----------
    uri
        A ``.mar`` file or its unpacked folder; an ``.onnx``, TorchScript ``.pt`` or exported ``.pt2`` file
        (see :func:`foveal.archives.bare_files.load_bare`); ``models:/NAME/VERSION`` (or
        ``models:/NAME@ALIAS``) of the MLflow registry; or ``python:module:factory``, where the factory
        returns a network or an :class:`AuditedModel`.
    environ
        Variables that override the archive's settings; the process's own where none are given.

    Raises
    ------
    UsageError
        When there is no such model or it cannot be audited.
    EnvironmentFault
        When the registry cannot be reached.
    """
    for prefix, load in _LOADERS.items():
        if uri.startswith(prefix):
            return load(uri, environ)
    path = Path(uri)
    if path.suffix in BARE_SUFFIXES:
        from foveal.archives.bare_files import load_bare  # noqa: PLC0415 - it builds on this module

        return load_bare(path, uri, environ)
    return _from_archive(path, uri, environ)


#: How files are called that hold a network and nothing else.
BARE_SUFFIXES = frozenset([".onnx", ".pt", ".pt2"])


def _from_archive(path: Path, uri: str, environ: Mapping[str, str] | None) -> AuditedModel:
    """Load a TorchServe archive or its unpacked folder."""
    with opened(path) as folder:
        manifest = read_manifest(folder)
        settings = read_settings(folder, manifest)
        return AuditedModel(
            name=str(manifest["modelName"]),
            module=_network(folder, manifest, settings, uri),
            transform=_transform(settings, uri),
            labels=read_labels(folder),
            config=FovealConfig.from_mapping(settings.get("foveal") or {}, environ),
            sha256=archive_sha256(folder),
            source=uri,
        )


def read_settings(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Read an archive's model-config.yaml, with what Foveal keeps beside the manifest."""
    own = read_own_settings(folder)
    config_file = manifest.get("configFile")
    if not config_file:
        return own
    import yaml  # noqa: PLC0415 - the loader of the other sources does not need it

    return {**own, **(yaml.safe_load((folder / config_file).read_text(encoding="utf-8")) or {})}


def _network(folder: Path, manifest: Mapping[str, Any], settings: Mapping[str, Any], uri: str) -> nn.Module:
    """Build the network of an unpacked archive; errors name the archive, not where it was unpacked."""
    weights = manifest.get("serializedFile")
    if not manifest.get("modelFile"):
        return _without_code(folder, str(weights or "a handler"), settings, uri)
    try:
        network = load_eager(
            folder / manifest["modelFile"], folder / weights if weights else None, model_class_of(settings)
        )
        return segmented(network, settings)
    except UsageError as error:
        raise UsageError(f"{uri}: {error.fault.replace(f'{folder}{os.sep}', '')}", error.mend) from error


def _without_code(folder: Path, file: str, settings: Mapping[str, Any], uri: str) -> nn.Module:
    """Open the network of an archive that holds it without its code."""
    if Path(file).suffix not in BARE_SUFFIXES:
        raise UsageError(
            f"{uri} holds no model file, only {file}",
            "Only archives with a model file, an ONNX file or TorchScript can be audited: pack the network "
            "and its weights again",
        )
    from foveal.archives.bare_files import open_serialized  # noqa: PLC0415 - it builds on this module

    return open_serialized(folder / file, f"{uri}/{file}", _transform(settings, uri).blank(), settings)


def _transform(settings: Mapping[str, Any], uri: str) -> Transform:
    """Read the preprocessing; guessing it would audit another model than the served one."""
    if not settings.get("preprocess"):
        raise UsageError(
            f"{uri} does not say how its samples are preprocessed",
            "Add a preprocess section (size, channels, mean, std) to its model-config.yaml, "
            "or build it with foveal pack",
        )
    return read_transform(settings["preprocess"])


def read_labels(folder: Path) -> tuple[str, ...]:
    """Read the class names of ``index_to_name.json``, in the order of the outputs."""
    path = folder / "index_to_name.json"
    if not path.is_file():
        return ()
    return ordered_labels(json.loads(path.read_text(encoding="utf-8")))


def ordered_labels(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Put the names of an ``index_to_name.json`` into the order of the outputs.

    Both of TorchServe's forms are read: a name, or a list that ends with it, by index; or
    ``object_type_names`` with all of them.
    """
    if isinstance(content.get("object_type_names"), list):
        return tuple(content["object_type_names"])
    names = {int(key): value[-1] if isinstance(value, list) else value for key, value in content.items()}
    return tuple(str(names.get(index, index)) for index in range(max(names, default=-1) + 1))


def _from_python(uri: str, environ: Mapping[str, str] | None) -> AuditedModel:
    """Call ``python:module:factory``."""
    _, module_name, factory_name = ([*uri.split(":", 2), "", ""])[:3]
    made = _factory(uri, module_name, factory_name)()
    if isinstance(made, AuditedModel):
        return made
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"{uri} returned {type(made).__name__}",
            "Let the factory return a torch.nn.Module or an AuditedModel",
        )
    return _bare(made, factory_name, uri, environ)


def _factory(uri: str, module_name: str, factory_name: str) -> Callable[[], object]:
    """Find the factory; the working folder counts, as with ``python -m``."""
    with _working_folder():
        try:
            module = import_module(module_name)
        except (ImportError, ValueError) as error:
            raise UsageError(
                f"{uri}: module {module_name!r} cannot be imported ({error})",
                "Write python:module:factory and run where it can be imported",
            ) from error
    if not callable(getattr(module, factory_name, None)):
        known = [name for name, value in vars(module).items() if callable(value)]
        raise UsageError(
            f"{uri}: {module_name} has no function {factory_name!r}", nearest(factory_name, known)
        )
    factory: Callable[[], object] = getattr(module, factory_name)
    return factory


@contextmanager
def _working_folder() -> Iterator[None]:
    """Let modules of the working folder be imported."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")


def _from_registry(uri: str, environ: Mapping[str, str] | None) -> AuditedModel:
    """Load from the MLflow registry: an archive logged with the model, or the network itself."""
    import mlflow  # noqa: PLC0415 - heavy, and only this source needs it
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        with _limited_patience():
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except MlflowException as error:  # its own chain is cut off: it may show credentials
        raise EnvironmentFault(
            f"{uri} cannot be read from the MLflow registry ({_short(error)})",
            "Check the name, the version and MLFLOW_TRACKING_URI",
        ) from None
    archives = sorted(folder.rglob("*.mar"))
    if archives:
        return _from_archive(archives[0], uri, environ)
    network = mlflow.pytorch.load_model(str(folder), map_location="cpu")
    return _bare(network, uri.split("/")[1].partition("@")[0], uri, environ)


@contextmanager
def _limited_patience() -> Iterator[None]:
    """Give a registry that is down some seconds, not MLflow's four minutes; what the user has set stays."""
    settings = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
    ours = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _short(error: Exception) -> str:
    """Shorten what MLflow raised to its first line, without credentials."""
    return re.sub(r"(?<=://)[^/\s]*@", "***@", str(error).splitlines()[0]).rstrip(".")


def _bare(module: nn.Module, name: str, uri: str, environ: Mapping[str, str] | None) -> AuditedModel:
    """Describe a network that comes without an archive: pixels scaled to 0..1, default settings."""
    module.eval()
    return AuditedModel(
        name=name,
        module=module,
        transform=ImageTransform(),
        labels=(),
        config=FovealConfig.from_mapping({}, environ),
        sha256=_state_sha256(module),
        source=uri,
    )


def _state_sha256(module: nn.Module) -> str:
    """Hash a network's kind and weights: names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256(f"{type(module).__module__}.{type(module).__qualname__}".encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"\0{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


_Loader = Callable[[str, Mapping[str, str] | None], AuditedModel]
_LOADERS: dict[str, _Loader] = {"python:": _from_python, "models:/": _from_registry}
