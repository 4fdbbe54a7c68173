"""The files of a spool folder: their names, who owns them, and what a dead writer left behind.

::

    <writer>-<number>.open    being written; its writer holds an flock on it
    <writer>-<number>.seg     sealed: never written again, ready for the shipper
    <writer>-<number>.done    in the library, about to be deleted
    <writer>.losses           what the writer had to drop, by reason (a JSON object, padded with spaces)
    quarantine/               sealed segments that turned out to be damaged

``<writer>`` is host, process id and start time, so that no name is ever used twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OPEN, SEALED, DONE, LOSSES = ".open", ".seg", ".done", ".losses"
QUARANTINE = "quarantine"
_COUNTED = {OPEN, SEALED, DONE}


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file if nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def owned(path: Path) -> Iterator[bool]:
    """Hold an existing file's lock where it is free; gives False where a living process has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def sealed_segments(directory: Path) -> list[Path]:
    """List the sealed segments of one model's spool folder, in the order of their names."""
    return sorted(directory.glob(f"*{SEALED}"))


def seal_abandoned(directory: Path) -> list[Path]:
    """Seal the open segments whose writer is gone.

    The tail of such a segment may hold half a frame; the reader passes over it.

    Returns
    -------
    list of Path
        The segments that were sealed, under their new names.
    """
    candidates = sorted(directory.glob(f"*{OPEN}"))
    return [sealed for path in candidates if (sealed := _seal_if_abandoned(path)) is not None]


def _seal_if_abandoned(path: Path) -> Path | None:
    with suppress(FileNotFoundError), owned(path) as free:  # its writer may seal it under our hands
        if free:
            return path.rename(path.with_suffix(SEALED))
    return None


def directory_bytes(directory: Path) -> int:
    """Add up the sizes of all segments in a spool folder, quarantined ones included."""
    total = 0
    for folder in (directory, directory / QUARANTINE):
        with suppress(FileNotFoundError), os.scandir(folder) as files:
            total += sum(_segment_size(file) for file in files)
    return total


def _segment_size(file: os.DirEntry[str]) -> int:
    if os.path.splitext(file.name)[1] not in _COUNTED:  # noqa: PTH122 - no Path per file on the request path
        return 0
    try:
        return file.stat().st_size
    except FileNotFoundError:  # shipped between listing and looking
        return 0


def read_losses(path: Path) -> dict[str, int]:
    """Read what one writer dropped, by reason; a file that was never filled gives nothing."""
    try:
        counts = json.loads(path.read_bytes())
        return {str(reason): int(count) for reason, count in counts.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def loss_counters(directory: Path) -> dict[str, int]:
    """Add up what all writers of a spool folder dropped, by reason.

    Returns
    -------
    dict
        ``quota``, ``disk_full``, ``unwritable``, ``unencodable`` or ``closed`` to the number of observations.
    """
    total: Counter[str] = Counter()
    for path in sorted(directory.glob(f"*{LOSSES}")):
        total.update(read_losses(path))
    return dict(total)
