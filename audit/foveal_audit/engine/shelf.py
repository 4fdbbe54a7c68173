"""The shelf: finished results in folders named by what they were computed from; there whole or not at all."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.errors import EnvironmentFault
from foveal_audit.bundle.identity import sha256_file, sha256_json

_DONE = "done.json"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Shelf:
    """Results of pieces of work.

    Attributes
    ----------
    root
        Folder of all of them; made when the first one is put.
    """

    root: Path

    def find(self, name: str) -> Path | None:
        """Find a result by its name, ``STAGE/ADDRESS``; one whose files are not whole is thrown away."""
        folder = self.root / name
        if not folder.is_dir():
            return None
        if _is_whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        return None

    @contextmanager
    def put(self, name: str) -> Iterator[Path]:
        """Lend a folder that becomes the result when the block ends well, and vanishes otherwise.

        Raises
        ------
        EnvironmentFault
            The disk refuses: full, or not writable.
        """
        final = self.root / name
        partial = final.with_name(f".{final.name}.{secrets.token_hex(4)}{_PARTIAL}")
        try:
            partial.mkdir(parents=True)
            yield partial
            (partial / _DONE).write_text(json.dumps(_listed(partial), sort_keys=True))
            _publish(partial, final)
        except OSError as error:
            raise EnvironmentFault(
                f"cannot keep results in {self.root}: {error}", "Free some space, then go on with --resume"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def sweep(self) -> None:
        """Throw away what was cut off half-way."""
        for partial in self.root.glob(f"*/.*{_PARTIAL}"):
            shutil.rmtree(partial, ignore_errors=True)


def content_of(folder: Path) -> str:
    """Hash what a finished result holds."""
    return sha256_json(json.loads((folder / _DONE).read_text()))


def size_of(folder: Path) -> int:
    """Add up the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _listed(folder: Path) -> dict[str, Any]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): [path.stat().st_size, sha256_file(path)] for path in files}


def _is_whole(folder: Path) -> bool:
    """Compare sizes: a machine that lost its power may have kept a file's name and not what was in it."""
    try:
        listed = json.loads((folder / _DONE).read_text())
        return all((folder / name).stat().st_size == size for name, (size, _) in listed.items())
    except (OSError, ValueError, TypeError):
        return False


def _publish(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError:
        # The same work was finished by somebody else meanwhile: equal results, one is enough.
        if not _is_whole(final):
            raise
