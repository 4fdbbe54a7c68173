"""Writing small files over: whoever reads finds the old content or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from foveal.library.tracking import Tracking

_PART = ".part"


def put_whole(tracking: Tracking, path: str, content: bytes) -> None:
    """Write an artifact in one step, replacing one of the same path.

    MLflow copies into place, which can be cut off half way where the store is a folder of this machine. A
    server takes an upload only when it has all of it.
    """
    file = tracking.local(path) if tracking.find() is not None else None
    if file is None:
        tracking.put(path, content)
    else:
        write_whole(file, content, scratch=_root(tracking))


def write_whole(file: Path, content: bytes, scratch: Path | None = None) -> None:
    """Write a file in one step; it is on the disk when this returns.

    Parameters
    ----------
    scratch
        Folder of the same disk for the file while it is not whole; the file's own where none is given.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = (scratch or file.parent) / f".{secrets.token_hex(4)}{_PART}"
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_parts(tracking: Tracking) -> None:
    """Delete what a killed process left of its writing."""
    root = _root(tracking)
    for part in root.glob(f".????????{_PART}") if root is not None else ():
        part.unlink(missing_ok=True)


def _root(tracking: Tracking) -> Path | None:
    file = tracking.local("file")
    return None if file is None else file.parent
