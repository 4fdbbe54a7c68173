"""Switch auditing on for an archive that exists, without touching its handler, its files or its timeouts.

Only the manifest's handler changes: it names our entry file, which runs the original handler. What unwrapping
needs travels in the archive.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foveal.archives.containers import container_of, reading, safe_name
from foveal.archives.drafting import drafted, require_place
from foveal.archives.entries import PACKED, WRAPPED, read_entry
from foveal.archives.mar import (
    MANIFEST,
    SETTINGS,
    archive_sha256,
    file_sha256,
    files_in,
    opened,
    read_manifest,
    read_own_settings,
)
from foveal.archives.recipes import ORIGINAL, RECIPE, Recipe
from foveal.archives.rewriting import REWRITE
from foveal.archives.sections import Placed, checked, place
from foveal.archives.unwrapping import original_hash, restore
from foveal.errors import UsageError

VERSION = 1
_VERSION_OF_A_MODEL = re.compile(r"models:/[^/@]+/[0-9]+")
#: Modules of ours that a file of the archive would replace in the worker.
_OURS = ("foveal", "foveal_handlers")


@dataclass(frozen=True)
class Wrapped:
    """What came of wrapping.

    Attributes
    ----------
    archive, original
        Where both lie.
    name
        The name under which the model is served.
    handler
        The original handler, which still answers.
    container
        The form of both: ``zip``, ``tgz`` or ``folder``.
    settings
        The file inside the archive that holds Foveal's settings.
    sha256
        Identity of the wrapped archive, as observations carry it.
    original_sha256
        Of the original: of the file, or of a folder's content.
    """

    archive: str
    original: str
    name: str
    handler: str
    container: str
    settings: str
    sha256: str
    original_sha256: str

    def to_mapping(self) -> dict[str, str]:
        """Give the report as plain values."""
        return asdict(self)


def wrap(
    source: Path, out: Path, config: Mapping[str, Any] | None = None, registered: str | None = None
) -> Wrapped:
    """Write a copy of an archive whose handler is audited.

    The copy has the form of the original. It is made complete beside its place, the original is made from it
    for a test, and only then it takes the place.

    Parameters
    ----------
    source
        A ``.mar`` file, a ``.tar.gz`` or a folder, as torch-model-archiver makes them; it is only read.
    out
        Where to write.
    config
        Sections to add to its settings: ``foveal``, ``preprocess``, ``model``.
    registered
        The version of the MLflow registry that it serves, ``models:/NAME/VERSION``, for the audit to tag.

    Raises
    ------
    UsageError
        When the archive is audited already, cannot be wrapped, or the sections are wrong.
    EnvironmentFault
        When the archive cannot be written.
    """
    require_place(source, out)
    given = checked(config or {})
    with opened(source) as folder:
        manifest = read_manifest(folder)
        _require_wrappable(folder, manifest, source)
        container = container_of(source)
        _require_suffix(out, container)
        placed = place(folder, _config_file(manifest, source), given)
        original_sha256 = original_hash(source)
        part = _part(manifest, original_sha256, container, registered)
        changes = _changes(folder, manifest, placed, part, _carried(folder, manifest, given, source))
        recipe = Recipe(container, original_sha256, _hashes(folder, changes))
        identity = _write(source, out, changes, recipe)
    name, handler = str(manifest["modelName"]), str(manifest["handler"])
    return Wrapped(str(out), str(source), name, handler, container, placed.where, identity, original_sha256)


def _require_wrappable(folder: Path, manifest: Mapping[str, Any], source: Path) -> None:
    """Refuse archives that are audited already and those that wrapping would break."""
    if "wrapped" in read_own_settings(folder):
        raise UsageError(
            f"{source} is wrapped already", "Serve it as it is, or unwrap it first: foveal unwrap"
        )
    if _module(str(manifest["handler"])) in {_module(entry) for _, entry in PACKED}:
        raise UsageError(
            f"{source} was built by foveal pack and is audited already",
            "Serve it as it is; change its settings with: foveal pack --config",
        )
    for name in (WRAPPED[1], RECIPE, ORIGINAL, *_OURS, *(f"{module}.py" for module in _OURS)):
        if (folder / name).exists():
            raise UsageError(
                f"{source} holds {name!r}, a name that the audit needs",
                "Rename it and build the archive again",
            )
    _require_python(folder, source)


def _module(handler: str) -> str:
    """Give the module that a handler names: it may be followed by a function."""
    return handler.partition(":")[0].removesuffix(".py")


def _require_python(folder: Path, source: Path) -> None:
    """Refuse archives of TorchServe's C++ backend."""
    runtime = json.loads((folder / MANIFEST).read_bytes()).get("runtime") or "python"
    if not str(runtime).startswith("python"):
        raise UsageError(
            f"{source} is served by the runtime {runtime!r}", "Only Python handlers can be wrapped"
        )


def _require_suffix(out: Path, container: str) -> None:
    """Insist on a name under which TorchServe reads the archive as what it is."""
    if (container == "zip") != (out.suffix == ".mar") and container != "folder":
        right, kind = (".mar", "a zip") if container == "zip" else (".tar.gz", "a tar.gz")
        raise UsageError(
            f"TorchServe would not read {kind} from {out.name}", f"Give -o a name that ends in {right}"
        )


def _config_file(manifest: Mapping[str, Any], source: Path) -> str | None:
    """Give the name of the archive's model-config.yaml, where it has one."""
    name = manifest.get("configFile")
    return safe_name(str(name), source) if name else None


def _part(
    manifest: Mapping[str, Any], original_sha256: str, container: str, registered: str | None
) -> dict[str, Any]:
    """Say what the wrapped archive was."""
    known = {
        "version": VERSION,
        "handler": str(manifest["handler"]),
        "archive_sha256": original_sha256,
        "container": container,
    }
    return known | ({"registered": _require_version(registered)} if registered else {})


def _require_version(registered: str) -> str:
    """Insist on the address of one version in a registry."""
    if not _VERSION_OF_A_MODEL.fullmatch(registered):
        raise UsageError(f"{registered!r} names no version of a model", "Write models:/NAME/VERSION")
    return registered


def _changes(
    folder: Path,
    manifest: Mapping[str, Any],
    placed: Placed,
    part: Mapping[str, Any],
    carried: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Make the files that the wrapped archive has beside or in place of the original's."""
    entry_file, entry = WRAPPED
    config = {} if placed.config is None else {str(_config_file(manifest, folder)): placed.config}
    changed = {"recipe": RECIPE, "replaced": sorted([MANIFEST, *config])}
    listed = sorted({*files_in(folder), MANIFEST, SETTINGS, RECIPE, entry, *carried})
    return {
        **config,
        **carried,
        MANIFEST: _manifest(folder, entry),
        SETTINGS: _json({**placed.own, "wrapped": {**part, "changed": changed, "files": listed}}),
        entry: read_entry(entry_file),
    }


def _carried(
    folder: Path, manifest: Mapping[str, Any], given: Mapping[str, Any], source: Path
) -> dict[str, bytes]:
    """Make what an archive of an ONNX file needs beside it, for its worker to look into the network."""
    weights = str(manifest.get("serializedFile") or "")
    if manifest.get("modelFile") or not weights.endswith(".onnx"):
        _require_no_segmentation(given, source)
        return {}
    from foveal.archives.model import read_settings  # noqa: PLC0415 - brings torch
    from foveal.archives.onnx_pieces import carried_beside  # noqa: PLC0415 - needs the package onnx

    settings = {**read_settings(folder, manifest), **given}
    try:
        return carried_beside(folder / weights, settings)
    except UsageError as error:
        raise UsageError(f"{source}: {error.fault}", error.mend) from error


def _require_no_segmentation(given: Mapping[str, Any], source: Path) -> None:
    """Refuse to say of a network that its worker cannot look into so that it segments."""
    if "segmentation" in (given.get("model") or {}):
        raise UsageError(
            f"{source} is no archive of an ONNX file alone, and the configuration says 'segmentation'",
            "Leave it out, or build the archive with foveal pack --kind segmentation",
        )


def _manifest(folder: Path, entry: str) -> bytes:
    """Write the manifest with our entry for a handler."""
    content = json.loads((folder / MANIFEST).read_bytes())
    content["model"]["handler"] = entry
    return json.dumps(content, indent=2).encode()


def _json(content: Mapping[str, Any]) -> bytes:
    """Write JSON that is the same every time."""
    return json.dumps(content, indent=2, sort_keys=True).encode()


def _hashes(folder: Path, changes: Mapping[str, bytes]) -> dict[str, str]:
    """Hash every file of the wrapped archive."""
    kept = {name: file_sha256(path) for name, path in files_in(folder).items() if name not in changes}
    return {**kept, **{name: hashlib.sha256(content).hexdigest() for name, content in changes.items()}}


def _write(source: Path, out: Path, changes: Mapping[str, bytes], recipe: Recipe) -> str:
    """Write the wrapped archive, make the original from it for a test, and give its identity."""
    with drafted(out) as draft:
        with reading(source):
            REWRITE[recipe.container](source, draft, changes, recipe)
        with opened(draft) as folder:
            restore(draft, folder, draft.with_name("proof"))
            return archive_sha256(folder)
