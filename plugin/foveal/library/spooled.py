"""Erasing from the spool: segments are written again without what is wanted gone.

Sealed segments belong to the shipper, so its lock is held meanwhile; quarantined ones belong to nobody; the
open segment of a living writer is its own, and is only looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from foveal.errors import UsageError
from foveal.library.receipt import Unreached
from foveal.library.wanted import Seen, Wanted
from foveal.records import Observation
from foveal.spool import seal_abandoned, sealed_segments
from foveal.spool.frame import Damage, encode_frame, scan
from foveal.spool.segments import DONE, OPEN, QUARANTINE, SEALED, model_folder, try_lock

_LOCK = "shipper.lock"
_REST = ".erasing"


@dataclass(frozen=True)
class Rewriting:
    """A segment with something to erase.

    Attributes
    ----------
    gone
        What is erased from it.
    was, now
        Hash of the file before and after; None where nothing is left to keep.
    """

    path: Path
    gone: tuple[Observation, ...]
    was: str
    now: str | None


@dataclass
class SpoolScan:
    """What a spool holds of what is wanted gone."""

    rewritings: list[Rewriting] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)


def scan_spool(folder: Path, wanted: Wanted, locked: bool) -> SpoolScan:
    """Look through one model's spool folder.

    Parameters
    ----------
    locked
        Whether the caller holds the folder (:func:`held`); without it sealed segments are out of reach.
    """
    found = SpoolScan()
    if locked:
        _tidy(folder)
    for path in sealed_segments(folder):
        if locked:
            _look(path, wanted, found)
        elif _count(path, wanted):
            found.unreached.append(_busy(path))
    for path in sealed_segments(folder / QUARANTINE):
        _look(path, wanted, found)
    found.unreached += [_open(path) for path in sorted(folder.glob(f"*{OPEN}")) if _count(path, wanted)]
    return found


def rewrite(one: Rewriting, wanted: Wanted) -> None:
    """Put a segment's rest in its place, in one step."""
    content = _split(one.path.read_bytes(), wanted)[1]
    if not content:
        one.path.unlink()
        return
    rest = one.path.with_suffix(_REST)
    with rest.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    rest.replace(one.path)


def model_spool(spool: Path, name: str) -> Path | None:
    """Find a model's folder in a spool: the folder itself where it holds segments, else that of the name.

    Raises
    ------
    UsageError
        If there is no such folder at all.
    """
    if not spool.is_dir():
        raise UsageError(f"Spool '{spool}' is no folder", "Give the folder named under spool.dir")
    ours = {OPEN, SEALED, DONE}
    if (spool / _LOCK).exists() or any(path.suffix in ours for path in spool.iterdir()):
        return spool
    folder = model_folder(spool, name)
    return folder if folder.is_dir() else None


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder as its shipper does, where no shipper has it; ends with the process."""
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def _tidy(folder: Path) -> None:
    """Finish what others began: shipped segments, rests of an erasure that was cut off, dead writers."""
    for pattern in (f"*{DONE}", f"*{_REST}", f"{QUARANTINE}/*{_REST}"):
        for path in folder.glob(pattern):
            path.unlink()
    seal_abandoned(folder)


def _look(path: Path, wanted: Wanted, found: SpoolScan) -> None:
    data = path.read_bytes()
    gone, rest, unsure = _split(data, wanted)
    if rest != data:
        now = hashlib.sha256(rest).hexdigest() if rest else None
        found.rewritings.append(Rewriting(path, gone, hashlib.sha256(data).hexdigest(), now))
    if unsure:
        found.unreached.append(_damaged(path, unsure))


def _count(path: Path, wanted: Wanted) -> int:
    return len(_split(path.read_bytes(), wanted)[0])


def _split(data: bytes, wanted: Wanted) -> tuple[tuple[Observation, ...], bytes, int]:
    """Split a segment: what is wanted gone, the bytes of the rest, and how many of them nobody can read.

    An unfinished last frame was never acknowledged and goes. Of damaged bytes those go that name the sample.
    """
    items = list(scan(data))
    records = [item for item in items if isinstance(item, Observation)]
    gone = tuple(one for one in records if wanted.takes(Seen.of(one.sample)))
    damaged = [item for item in items if isinstance(item, Damage) and not item.torn]
    left = [data[one.start : one.stop] for one in damaged if not _names(data[one.start : one.stop], wanted)]
    if len(gone) == len(records) and wanted.by == "before":
        left = []
    changed = bool(gone) or len(left) < len(items) - len(records)
    if not changed:
        return gone, data, sum(map(len, left))
    kept = [encode_frame(one) for one in records if not wanted.takes(Seen.of(one.sample))]
    return gone, b"".join([*kept, *left]), sum(map(len, left))


def _names(stretch: bytes, wanted: Wanted) -> bool:
    """Say whether damaged bytes hold the name of what is wanted gone, as frames write names."""
    return any(json.dumps(name)[1:-1].encode() in stretch for name in wanted.names)


def _busy(path: Path) -> Unreached:
    return Unreached(
        str(path),
        "a shipper holds the folder",
        "What it ships is dropped by the library; run this again in a minute, or stop it first",
    )


def _open(path: Path) -> Unreached:
    return Unreached(
        str(path),
        "a living writer holds it",
        "It is sealed within a minute; run this again then, or stop the server first",
    )


def _damaged(path: Path, size: int) -> Unreached:
    return Unreached(
        str(path),
        f"{size:,} damaged bytes that nobody can read",
        "Delete the file where in doubt, then run this again",
    )
