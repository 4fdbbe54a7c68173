"""The state of a spool as its files tell it: one look at the folders; only counts of losses are opened."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from foveal.spool.segments import DONE, LOSSES, OPEN, QUARANTINE, SEALED, read_losses

_WAITING = (OPEN, SEALED)
_SEGMENTS = (OPEN, SEALED, DONE)
_LONGEST = 200
_BESIDE = f".{QUARANTINE}"  # the end of what is damaged where no folder could be made for it
LOCK = "shipper.lock"


@dataclass
class FolderState:
    """One model's folder.

    Attributes
    ----------
    folder
        Its path; its name is the model's.
    bytes
        Size of all segments, quarantined ones included.
    sealed, open
        Segments ready to be shipped, and being written.
    oldest_write, oldest_sealed_write
        When the segment that waits longest was written last, in seconds since the epoch: of all, and of the
        sealed ones. None where none waits.
    quarantined
        Damaged segments.
    losses
        What each writer dropped, by its file.
    """

    folder: Path
    bytes: int = 0
    sealed: int = 0
    open: int = 0
    oldest_write: float | None = None
    oldest_sealed_write: float | None = None
    quarantined: int = 0
    losses: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name of the model, as text that can be written anywhere."""
        return plain(self.folder.name)

    @property
    def oldest_seconds(self) -> float:
        """Seconds that the longest waiting segment has waited."""
        return _seconds_since(self.oldest_write)

    @property
    def lag_seconds(self) -> float:
        """Seconds that the longest waiting sealed segment has waited."""
        return _seconds_since(self.oldest_sealed_write)

    def _take_damaged(self, file: os.DirEntry[str]) -> None:
        """Count one damaged file; those that only told of losses are no segments."""
        self.quarantined += file.name.removesuffix(_BESIDE).endswith(_SEGMENTS)
        self.bytes += file.stat().st_size

    def _take(self, file: os.DirEntry[str], kind: str) -> None:
        """Count one segment."""
        stat = file.stat()
        self.bytes += stat.st_size
        if kind in _WAITING:
            self.oldest_write = _earlier(self.oldest_write, stat.st_mtime)
        if kind == SEALED:
            self.sealed += 1
            self.oldest_sealed_write = _earlier(self.oldest_sealed_write, stat.st_mtime)
        self.open += kind == OPEN


def spool_state(spool: Path) -> list[FolderState]:
    """Look at a spool: the folder itself where it holds segments, and every model's folder in it.

    What vanishes between listing and looking, or cannot be read, is passed over.
    """
    with suppress(OSError), os.scandir(spool) as found:
        inner = sorted(Path(each.path) for each in found if each.is_dir() and each.name != QUARANTINE)
        return [state for folder in (spool, *inner) if (state := _folder_state(folder)) is not None]
    return []


class LossLedger:
    """Remembers what writers dropped also when their files are gone, so that the sum never shrinks."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, int]] = {}

    def totals(self, states: list[FolderState]) -> dict[tuple[str, str], int]:
        """Take in the newest look; give the sums by model and reason."""
        for state in states:
            for name, counts in state.losses.items():
                known = self._seen.setdefault((state.model, name), {})
                known.update({why: max(count, known.get(why, 0)) for why, count in counts.items()})
        total: Counter[tuple[str, str]] = Counter()
        for (model, _), counts in self._seen.items():
            total.update({(model, why): count for why, count in counts.items()})
        return dict(total)


def plain(text: str) -> str:
    """Make text that can be written as UTF-8 and is no book, whatever a folder is called."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()


def _folder_state(folder: Path) -> FolderState | None:
    """Look at one folder; None where it is no spool folder."""
    state = FolderState(folder)
    ours = False
    for file, kind in _files(folder):
        ours = ours or kind in (*_SEGMENTS, LOSSES, _BESIDE) or file.name in (LOCK, QUARANTINE)
        with suppress(OSError):
            if kind in _SEGMENTS:
                state._take(file, kind)
            elif kind == LOSSES:
                state.losses[file.name] = read_losses(Path(file.path)) or {}
            elif kind == _BESIDE:
                state._take_damaged(file)
    for file, kind in _files(folder / QUARANTINE) if ours else ():
        with suppress(OSError):
            if kind in _SEGMENTS:
                state._take_damaged(file)
    return state if ours else None


def _files(folder: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """List a folder with the ends of the files' names, and nothing for what is no plain file."""
    with suppress(OSError), os.scandir(folder) as found:
        for file in found:
            plain = file.is_file(follow_symlinks=False)
            end = os.path.splitext(file.name)[1]  # noqa: PTH122 - no Path per file: spools may be full
            yield file, end if plain else ""


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def _seconds_since(moment: float | None) -> float:
    """Count the seconds since a moment; a clock that was set back gives none."""
    return 0.0 if moment is None else max(0.0, time.time() - moment)
