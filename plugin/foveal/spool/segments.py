"""The files of a spool folder: their names, who owns them, and what a dead writer left behind.

::

    <writer>-<number>.open    being written; its writer holds an flock on it
    <writer>-<number>.seg     sealed: never written again, ready for the shipper
    <writer>-<number>.done    in the library, about to be deleted
    <writer>.losses           what the writer had to drop, by reason (a JSON object, padded with spaces)
    quarantine/               sealed segments that turned out to be damaged, and such files of losses
    <name>.quarantine         the same, where that folder cannot be made

``<writer>`` is host, process id, start time and a random number: a clock that was set back, or a container in
which every worker has the same process id, must not use a name twice. Whatever else lies in the folder is
left alone: only regular files count.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

OPEN, SEALED, DONE, LOSSES = ".open", ".seg", ".done", ".losses"
QUARANTINE = "quarantine"
_COUNTED = {OPEN, SEALED, DONE, f".{QUARANTINE}"}
#: More than any writer writes; a file that is larger is not one of ours.
_LARGEST_LOSSES = 2**16
_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")


def writer_name() -> str:
    """Make a name that no other writer has, for a writer's files."""
    host = re.sub(r"[^A-Za-z0-9_]", "_", socket.gethostname())
    return f"{host}-{os.getpid()}-{time.time_ns()}-{secrets.token_hex(4)}"


def model_folder(spool: Path | str, model: str) -> Path:
    """Give a model's folder in the spool; a name made of path pieces does not lead out of it.

    Parameters
    ----------
    spool
        The spool's folder.
    model
        The model's name, from an archive that may be anybody's. Names that TorchServe takes in its addresses
        stay as they are; other characters are percent-encoded, so that different names stay different.
    """
    name = quote(model.encode("utf-8", "surrogatepass"), safe="")
    if not name or name[0] == "." or name == QUARANTINE:
        name = f"%{ord(name[0]):02X}{name[1:]}" if name else "%"
    return Path(spool) / name


def regular_files(directory: Path, *suffixes: str) -> list[Path]:
    """List the regular files with one of these suffixes, in the order of their names; no links, no pipes."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as found:
        names = [file.name for file in found if file.is_file(follow_symlinks=False)]
        return sorted(directory / name for name in names if name.endswith(suffixes))
    return []


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
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def sealed_segments(directory: Path) -> list[Path]:
    """List the sealed segments of one model's spool folder, in the order of their names."""
    return regular_files(directory, SEALED)


def seal_abandoned(directory: Path) -> list[Path]:
    """Seal the open segments whose writer is gone.

    The tail of such a segment may hold half a frame; the reader passes over it.

    Returns
    -------
    list of Path
        The segments that were sealed, under their new names.
    """
    candidates = regular_files(directory, OPEN)
    return [sealed for path in candidates if (sealed := _seal_if_abandoned(path)) is not None]


def _seal_if_abandoned(path: Path) -> Path | None:
    with suppress(FileNotFoundError), owned(path) as free:  # its writer may seal it under our hands
        if free:
            return path.rename(_unused(path.with_suffix(SEALED)))
    return None


def _unused(path: Path) -> Path:
    """Change a name that is taken: a file that is sealed must not replace another."""
    while os.path.lexists(path):
        path = path.with_name(f"{path.stem}-again{path.suffix}")
    return path


def is_at(path: Path, descriptor: int) -> bool:
    """Tell whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116
    except FileNotFoundError:
        return False


def directory_bytes(directory: Path) -> int:
    """Add up the sizes of all segments in a spool folder, quarantined ones included."""
    total = 0
    for folder in (directory, directory / QUARANTINE):
        # A quota that cannot be looked up is no reason to drop what could be written.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as files:
            total += sum(_segment_size(file) for file in files)
    return total


def _segment_size(file: os.DirEntry[str]) -> int:
    if os.path.splitext(file.name)[1] not in _COUNTED:  # noqa: PTH122 - no Path per file on the request path
        return 0
    try:
        return file.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # shipped between listing and looking
        return 0


def read_losses(path: Path) -> dict[str, int] | None:
    """Read what one writer dropped, by reason; nothing where the file does not say it."""
    with path.open("rb") as file:
        content = file.read(_LARGEST_LOSSES)
    try:
        counts = json.loads(content).items()
    except (ValueError, AttributeError, RecursionError):
        return None
    return dict(counts) if all(_is_count(*pair) for pair in counts) else None


def _is_count(reason: str, count: object) -> bool:
    """Tell what a writer wrote from what somebody else did."""
    return isinstance(count, int) and 0 <= count < 2**53 and _REASON.fullmatch(reason) is not None


def loss_counters(directory: Path) -> dict[str, int]:
    """Add up what all writers of a spool folder dropped, by reason.

    Returns
    -------
    dict
        ``quota``, ``disk_full``, ``unwritable``, ``unencodable``, ``closed`` or ``deleted`` to the number of
        observations.
    """
    total: Counter[str] = Counter()
    for path in regular_files(directory, LOSSES):
        with suppress(FileNotFoundError):  # reported and removed between listing and looking
            total.update(read_losses(path) or {})
    return dict(total)
