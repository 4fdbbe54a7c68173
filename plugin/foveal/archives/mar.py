"""Read and write TorchServe archives: a zip (.mar), tar.gz or folder with ``MAR-INF/MANIFEST.json``.

Standard library only: the serving worker imports this.

Archives are built in one canonical form: entries sorted by name, stored without compression, no clock, no
owner. The same content therefore always has the same bytes, and the folder into which TorchServe unpacks an
archive is enough to know the SHA-256 of the file it came from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from foveal.archives.containers import READ, UNPACK, container_of, reading
from foveal.errors import FovealError, UsageError

MANIFEST = "MAR-INF/MANIFEST.json"
SETTINGS = "MAR-INF/FOVEAL.json"
#: What the names of archives end in; TorchServe reads a file of any other name than ``.mar`` as a tar.gz.
SUFFIXES = (".mar", ".tar.gz", ".tgz")
#: Above this size an archive that is being hashed is kept on disk instead of in memory.
_IN_MEMORY = 128 * 2**20
_LEFT_BY_PYTHON = "__pycache__"


def write_archive(files: Mapping[str, bytes | Path], target: IO[bytes]) -> None:
    """Write an archive in the canonical form.

    Parameters
    ----------
    files
        Content (or the file that holds it) by name inside the archive, with forward slashes.
    target
        A binary file that can be written and sought.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            _write_entry(archive, name, files[name])


def _write_entry(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    """Add one entry whose header depends on nothing but its name and size."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    entry.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
    with archive.open(entry, "w") as out:
        if isinstance(content, bytes):
            out.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, out)


def archive_sha256(location: Path) -> str:
    """Give the SHA-256 of an archive's canonical form, from the file or from its unpacked folder.

    For every archive that `foveal pack` wrote this is the SHA-256 of the file. Any other one is identified by
    what it holds: the serving worker sees only the unpacked folder, and what it logs and what is collected
    offline must carry the same hash. Of a wrapped archive only the files that it was wrapped with count:
    handlers of all kinds unpack more into their folder.
    """
    with opened(location) as folder, tempfile.SpooledTemporaryFile(_IN_MEMORY) as canonical:
        write_archive(_identifying(folder), canonical)
        canonical.seek(0)
        return _sha256(canonical)


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return _sha256(file)


def files_in(folder: Path) -> dict[str, Path]:
    """List the files of an unpacked archive by their names inside it, without what Python leaves there."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {name.as_posix(): path for name, path in found.items() if _LEFT_BY_PYTHON not in name.parts}


def _identifying(folder: Path) -> dict[str, Path]:
    """List the files that make an archive what it is."""
    present = files_in(folder)
    listed = read_own_settings(folder).get("wrapped", {}).get("files", present)
    return {name: path for name, path in present.items() if name in listed}


def _sha256(stream: IO[bytes]) -> str:
    """Hash a stream piece by piece."""
    digest = hashlib.sha256()
    while piece := stream.read(2**20):
        digest.update(piece)
    return digest.hexdigest()


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive, and by its manifest whether a folder is one."""
    return (path / MANIFEST).is_file() if path.is_dir() else path.name.endswith(SUFFIXES)


@contextmanager
def opened(location: Path) -> Iterator[Path]:
    """Give an archive's content as a folder: the folder itself, or one that exists for the while.

    Raises
    ------
    UsageError
        When nothing is there, or it is no TorchServe archive.
    """
    if not location.exists():
        raise UsageError(
            f"No model archive at {location}", "Give the path of a .mar file or of its unpacked folder"
        )
    if location.is_dir():
        _require_manifest(location, location)
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="foveal-mar-") as scratch:
        folder = Path(scratch).resolve()
        with reading(location):
            UNPACK[container_of(location)](location, folder)
        _require_manifest(folder, location)
        yield folder


def _require_manifest(folder: Path, location: Path) -> None:
    """Insist on the file that makes a zip or a folder a TorchServe archive."""
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{location} is not a TorchServe archive: it has no {MANIFEST}",
            "Build one with: foveal pack --kind vision --model-file .. --weights .. -o OUT.mar",
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the ``model`` part of an unpacked archive's manifest."""
    return _model_part((folder / MANIFEST).read_bytes(), folder)


def _model_part(manifest: bytes, location: Path) -> dict[str, Any]:
    """Read the ``model`` part of a manifest; what TorchServe cannot do without is there."""
    try:
        model = dict(json.loads(manifest)["model"])
        model["modelName"], model["handler"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"The manifest of {location} cannot be read ({type(error).__name__}: {error})",
            "Build the archive again",
        ) from error
    return model


def read_own_settings(folder: Path) -> dict[str, Any]:
    """Read ``MAR-INF/FOVEAL.json``, where an archive without a model-config.yaml keeps Foveal's settings."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        settings = dict(json.loads(path.read_bytes()))
        dict.keys(settings.get("wrapped", {}))  # TypeError where it is no section
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Build the archive again") from error
    return settings


def model_name(location: Path) -> str:
    """Give the name under which an archive is served, reading no more of it than its manifest."""
    if location.is_dir():
        return str(read_manifest(location)["modelName"])
    try:
        with reading(location):
            manifest = READ[container_of(location)](location, MANIFEST)
    except (OSError, KeyError, FovealError) as error:
        raise UsageError(
            f"{location} is not a TorchServe archive", "Build it again with foveal pack"
        ) from error
    return str(_model_part(manifest, location)["modelName"])
