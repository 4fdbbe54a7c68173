"""The writing side: one process, one open segment, no waiting and no exceptions on the request path."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal

from foveal.errors import UsageError, nearest
from foveal.records import Observation
from foveal.spool.frame import encode_frame
from foveal.spool.losses import LossFile
from foveal.spool.segments import OPEN, SEALED, directory_bytes, is_at, try_lock, writer_name

_log = logging.getLogger(__name__)

#: What an acknowledged observation survives: the death of the process, or the loss of power as well.
Durability = Literal["process", "power"]
_DURABILITIES = ("process", "power")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RESCAN_SECONDS = 0.5


class Spool:
    """Appends observations to segments in one model's spool folder.

    Parameters
    ----------
    directory
        The folder, ``<spool>/<model name>``; made on the first append. Workers may share it.
    max_bytes
        Quota for all segments in the folder together. What does not fit is dropped and counted. The bytes of
        other workers are looked up at most every half second: several may overshoot by that much.
    durability
        ``process``: an acknowledged observation survives the death of the process, appending takes some
        microseconds. ``power``: it survives the loss of power too, appending waits for the disk.
    roll_bytes, roll_seconds
        A segment is sealed when it has this size or this age.

    Raises
    ------
    UsageError
        If ``durability`` is none of the two. Trouble with the folder shows up in :meth:`append` only.
    """

    def __init__(
        self,
        directory: Path | str,
        max_bytes: int = 2_000_000_000,
        durability: Durability = "process",
        *,
        roll_bytes: int = 16 * 1024**2,
        roll_seconds: float = 60.0,
    ) -> None:
        if durability not in _DURABILITIES:
            raise UsageError(f"Unknown spool durability {durability!r}", nearest(durability, _DURABILITIES))
        self.directory = Path(directory)
        self._power = durability == "power"
        self._roll_bytes, self._roll_seconds = roll_bytes, roll_seconds
        self._quota = _Quota(self.directory, max_bytes)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._closed = False
        self._start_writer()

    def append(self, observation: Observation) -> bool:
        """Write an observation down.

        Never raises and, with ``durability="process"``, never waits for the disk.

        Returns
        -------
        bool
            True once the observation is safe; False if it was dropped, which is counted by its reason.
        """
        with self._lock:
            try:
                frame = encode_frame(observation)
            except Exception:  # noqa: BLE001 - whatever is wrong with a record, the request goes on
                return self._drop("unencodable")
            try:
                return self._append(frame)
            except Exception as fault:  # noqa: BLE001 - nor does trouble with the disk reach the request
                self._retire()
                return self._drop("disk_full" if getattr(fault, "errno", None) in _FULL else "unwritable")

    def counters(self) -> dict[str, int]:
        """Give this process's own counts.

        Returns
        -------
        dict
            ``appended`` and ``bytes``, and ``dropped_<reason>`` for every reason met so far: ``quota``,
            ``disk_full``, ``unwritable``, ``unencodable``, ``closed``, and ``deleted`` for what had been
            appended to a segment that somebody deleted while it was written.
        """
        with self._lock:
            return dict(self._counts)

    def close(self) -> None:
        """Seal the open segment; later appends are dropped and counted."""
        with self._lock:
            self._retire()
            self._closed = True
            self._losses.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_writer(self) -> None:
        """Begin under a name that no other writer has."""
        self._pid = os.getpid()
        self._writer = writer_name()
        self._numbers = count()
        self._segment: _Segment | None = None
        self._timer: threading.Timer | None = None
        self._losses = LossFile(self.directory / self._writer)

    def _leave_to_parent(self) -> None:
        """Go on under a name of our own in a process that was forked off."""
        if self._segment is not None:
            self._segment.release()
        self._losses.release()
        self._start_writer()

    def _append(self, frame: bytes) -> bool:
        if self._closed:
            return self._drop("closed")
        if self._pid != os.getpid():
            self._leave_to_parent()
        if not self._quota.admits(len(frame)):
            return self._drop("quota")
        segment = self._current()
        segment.write(frame)
        self._quota.add(len(frame))
        self._counts.update(appended=1, bytes=len(frame))
        if segment.size >= self._roll_bytes:
            self._retire()
        return True

    def _drop(self, reason: str) -> bool:
        self._lose(reason, 1)
        return False

    def _lose(self, reason: str, count: int) -> None:
        if not self._counts[f"dropped_{reason}"]:
            _log.warning("observations for %s are being dropped: %s", self.directory, reason)
        self._counts[f"dropped_{reason}"] += count
        self._losses.add(reason, count)

    def _current(self) -> _Segment:
        """Give the open segment; where somebody deleted it, bytes would vanish: open another."""
        if self._segment is None or self._segment.is_unlinked():
            self._retire()
            _make_folder(self.directory, self._power)
            self._losses.open()
            self._segment = _open_segment(self._next_path, self._power)
            self._start_timer(self._segment)
        return self._segment

    def _next_path(self) -> Path:
        return self.directory / f"{self._writer}-{next(self._numbers):06d}{OPEN}"

    def _retire(self) -> None:
        """Seal the open segment. Where that fails its lock is free anyway, and the shipper seals it."""
        segment, self._segment = self._segment, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if segment is not None:
            with suppress(Exception):  # this is also what is done where all else has failed
                if segment.frames and segment.is_unlinked():
                    self._lose("deleted", segment.frames)
            segment.seal()

    def _start_timer(self, segment: _Segment) -> None:
        """See to it that a quiet worker's observations are shipped too."""
        self._timer = threading.Timer(self._roll_seconds, self._retire_old, [segment])
        self._timer.daemon = True
        with suppress(RuntimeError):  # no more threads: the segment is sealed by its size alone
            self._timer.start()

    def _retire_old(self, segment: _Segment) -> None:
        with self._lock:
            if self._segment is segment:
                self._retire()


class _Quota:
    """A cached count of the bytes in a spool folder."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory, self._max_bytes = directory, max_bytes
        self._used = 0
        self._scanned = float("-inf")

    def admits(self, size: int) -> bool:
        if time.monotonic() - self._scanned > _RESCAN_SECONDS:
            self._used = directory_bytes(self._directory)
            self._scanned = time.monotonic()
        return self._used + size <= self._max_bytes

    def add(self, size: int) -> None:
        self._used += size


class _Segment:
    """The segment being written: a descriptor opened for appending, and locked."""

    def __init__(self, path: Path, descriptor: int, power: bool) -> None:
        self.path = path
        self.size = 0
        self.frames = 0
        self._descriptor = descriptor
        self._power = power

    def write(self, frame: bytes) -> None:
        """Append all of a frame or, as far as anybody can tell, nothing."""
        try:
            self._write_all(frame)
        except BaseException:  # a signal's handler may raise in here too
            with suppress(OSError):  # the reader passes over half a frame too
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(frame)
        self.frames += 1

    def _write_all(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:  # a nearly full disk takes a part first and then refuses
            rest = rest[os.write(self._descriptor, rest) :]
        if self._power:
            os.fdatasync(self._descriptor)

    def is_unlinked(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def seal(self) -> None:
        """Give the segment its sealed name, or remove it where it is empty, and let go of it."""
        with suppress(Exception):
            self._finish()
        self.release()

    def release(self) -> None:
        """Close the file, which frees its lock."""
        with suppress(OSError):
            os.close(self._descriptor)

    def _finish(self) -> None:
        if self.size:
            self.path.rename(self.path.with_suffix(SEALED))
        else:
            self.path.unlink()


def _open_segment(next_path: Callable[[], Path], power: bool) -> _Segment:
    """Create and lock a segment; one that a shipper sealed before it was locked is left to it."""
    while True:
        path = next_path()
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if try_lock(descriptor) and is_at(path, descriptor):
                if power:
                    _sync_directory(path.parent)
                    _sync_directory(path.parent.parent)
                return _Segment(path, descriptor, power)
        except BaseException:  # a worker that tries again and again must not run out of descriptors
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)
            raise
        os.close(descriptor)


def _make_folder(folder: Path, power: bool) -> None:
    """Make a folder and those above it; on request so that their names survive the loss of power."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if power:
        for each in missing:
            _sync_directory(each.parent)


def _sync_directory(directory: Path) -> None:
    """Make a new file's name survive the loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
