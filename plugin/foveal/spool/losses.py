"""A file that says what a writer dropped, even when the disk is full or the writer is killed."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from foveal.spool.segments import LOSSES, try_lock

#: Reserved when the file is made, so that counting needs no new block on a full disk.
_BYTES = 512


class LossFile:
    """Counts per reason, written over in place; locked as long as its writer lives.

    Parameters
    ----------
    stem
        Path of the file without its suffix.
    """

    def __init__(self, stem: Path) -> None:
        self.path = stem.with_name(stem.name + LOSSES)
        self._descriptor: int | None = None
        self._counts: Counter[str] = Counter()
        self._closed = False

    def open(self) -> None:
        """Reserve the file, anew where somebody deleted it.

        Without it (a folder that cannot be written) the counts live in memory only.
        """
        with suppress(Exception):  # counting what went wrong must not go wrong itself
            if not self._closed and not self._is_there():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(self.path, flags, 0o600)
                try_lock(self._descriptor)
                self._write()

    def add(self, reason: str, count: int = 1) -> None:
        """Count dropped observations."""
        self._counts[reason] += count
        self.open()
        self._write()

    def _is_there(self) -> bool:
        """Tell whether the file is open and still has its name; one that lost it is let go of."""
        if self._descriptor is None:
            return False
        if os.fstat(self._descriptor).st_nlink:
            return True
        os.close(self._descriptor)
        self._descriptor = None
        return False

    def close(self) -> None:
        """Let go of the file; one that counted nothing is removed."""
        if self._descriptor is not None and not self._counts:
            with suppress(Exception):
                self.path.unlink()
        self.release()

    def release(self) -> None:
        """Close the file, which frees its lock."""
        self._closed = True
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None

    def _write(self) -> None:
        if self._descriptor is not None:
            with suppress(Exception):
                os.pwrite(self._descriptor, json.dumps(self._counts).encode().ljust(_BYTES), 0)
