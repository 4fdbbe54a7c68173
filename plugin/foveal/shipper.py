"""Moves what workers spooled into the library: exactly once, whatever is killed and however often.

For each sealed segment: read it, add its records under names made from the segment's own (adding them again
changes nothing), and only then delete it. Cut off between any two steps, the next shipper does the same
again, with the same result. While one segment is on its way the next is read and its files are made; what is
written, to MLflow and to the spool, is written segment by segment.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from foveal.alarm.betting import Alarm
from foveal.alarm.stream import StreamAlarm
from foveal.errors import EnvironmentFault, FovealError, UsageError, shown
from foveal.library import Library, Made, ShardConflictError
from foveal.library.lookahead import ahead
from foveal.library.shipments import Shipment, file_name, is_takeable
from foveal.library.tombstones import Tombstones
from foveal.spool import SegmentReader, read_segment, seal_abandoned, sealed_segments
from foveal.spool.segments import (
    DONE,
    LOSSES,
    OPEN,
    QUARANTINE,
    SEALED,
    is_at,
    owned,
    read_losses,
    regular_files,
    try_lock,
)

_log = logging.getLogger(__name__)

_LOCK = "shipper.lock"
_POLL_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
#: A new writer's file of losses is not locked in its first instants.
_NEW_SECONDS = 60.0

#: Told the model's name, how many segments are done and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass
class Shipped:
    """What one shipper moved.

    Attributes
    ----------
    segments
        Segments that are in the library now.
    samples, entries
        Records that were new to it.
    torn
        Unfinished last frames of killed writers; nobody had acknowledged them.
    quarantined
        Damaged segments; what could be read of them was shipped.
    errors
        Passes that failed because MLflow or the disk did; everything stayed in the spool.
    still_open
        Segments that living writers had not sealed at the last look.
    dropped
        What the writers dropped, by reason, as far as this shipper saw their reports.
    libraries
        The libraries, by model.
    alarms
        How the alarm on what is unlike training stands, by model; nothing where there is no ground for one.
    """

    segments: int = 0
    samples: int = 0
    entries: int = 0
    torn: int = 0
    quarantined: int = 0
    errors: int = 0
    still_open: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)


def ship(
    spool_dir: Path | str,
    library: Library | None = None,
    follow: bool = False,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    shipped: Shipped | None = None,
) -> Shipped:
    """Ship the sealed segments of a spool, and the open ones whose writer is gone.

    Parameters
    ----------
    spool_dir
        The spool, with a folder per model, or one model's folder.
    library
        Where to put everything; by default each model's records go to the library of its name.
    follow
        Go on for new segments. While MLflow is away everything waits, for as long as the spool's quota lasts.
    stop
        Ends the following, after a last look.
    progress
        Called after each segment.
    shipped
        The counts to add to, for whoever watches them meanwhile.

    Raises
    ------
    UsageError
        If there is no such folder.
    EnvironmentFault
        If another shipper works on it; unless following also if MLflow or the disk fails.
    """
    spool_dir = Path(spool_dir)
    if not spool_dir.is_dir():
        raise UsageError(f"Spool '{spool_dir}' is no folder", "Give the folder named under spool.dir")
    with ExitStack() as locks:
        shipper = _Shipper(spool_dir, library, locks, progress or _to_nobody, shipped or Shipped())
        if follow:
            _follow(shipper, stop or threading.Event())
        else:
            shipper.work()
    return shipper.shipped


class _Taken(EnvironmentFault):
    """Another shipper works on the folder: waiting does not help."""


def _follow(shipper: _Shipper, stop: threading.Event) -> None:
    """Work, and where MLflow or the disk fails wait longer and longer."""
    pause = _POLL_SECONDS
    last = False
    while not last:
        last = stop.is_set()
        try:
            shipper.work()
            pause = _POLL_SECONDS
        except _Taken:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever a server answers, what is spooled waits for a better one
            shipper.shipped.errors += 1
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            ours = isinstance(fault, FovealError)
            what = str(fault) if ours else f"Shipping failed ({type(fault).__name__}: {fault})."
            _log.warning(
                "%s Everything stays in the spool; next try in %.0f s.",
                what,
                pause,
                exc_info=None if ours else fault,
            )
        stop.wait(pause)


class _Shipper:
    """Ships the folders of a spool, each under its lock."""

    def __init__(
        self,
        spool: Path,
        library: Library | None,
        locks: ExitStack,
        progress: Progress,
        shipped: Shipped,
    ) -> None:
        self.shipped = shipped
        self._spool, self._library, self._locks, self._progress = spool, library, locks, progress
        self._owned: dict[Path, int] = {}
        self._reported: dict[Path, dict[str, int]] = {}
        self._streams: dict[Path, StreamAlarm] = {}

    def work(self) -> None:
        """Ship what is there now. A folder that cannot be worked on does not keep the others waiting."""
        faults: list[FovealError | OSError] = []
        with _naming(self._spool):
            self.shipped.still_open = 0
            for folder in _model_folders(self._spool):
                try:
                    self._work_on(folder)
                except (UsageError, OSError) as fault:
                    faults.append(fault)
            if faults:
                raise faults[0]

    def _work_on(self, folder: Path) -> None:
        self._own(folder)
        self._ship_folder(folder, folder.resolve().name)
        self.shipped.still_open += len(regular_files(folder, OPEN))

    def _own(self, folder: Path) -> None:
        """Hold the folder's lock, again where the folder was deleted and made anew."""
        lock = folder / _LOCK
        if folder not in self._owned or not is_at(lock, self._owned[folder]):
            self._owned[folder] = self._locks.enter_context(_locked(lock))

    def _ship_folder(self, folder: Path, model: str) -> None:
        library = self.shipped.libraries.setdefault(model, self._library or Library(model))
        for done in regular_files(folder, DONE):
            done.unlink()
        seal_abandoned(folder)
        segments = sealed_segments(folder)
        if segments:
            Tombstones(library.tracking).spared([])  # where MLflow is away nothing is cut and packed in vain
        with closing(ahead(partial(_load, library), segments)) as shipments:
            for number, shipment in enumerate(shipments, start=1):
                self._ship_segment(shipment, library, model)
                self._progress(model, number, len(segments))
        if self._report_losses(folder, library) or segments:
            library.publish_note()

    def _ship_segment(self, shipment: Shipment, library: Library, model: str) -> None:
        segment, reader = shipment.path, shipment.reader
        refused = self._add(shipment, library)
        self._watch(shipment, library, model)
        damaged = reader.damaged + refused
        if damaged:
            library.report_losses(file_name("damaged", segment.stem), {"damaged": damaged})
            _quarantine(segment, _what_is_wrong(reader, refused))
        else:
            segment.rename(segment.with_suffix(DONE)).unlink()
        self.shipped.segments += 1
        self.shipped.torn += reader.torn
        self.shipped.quarantined += damaged > 0

    def _watch(self, shipment: Shipment, library: Library, model: str) -> None:
        """Hold what was shipped against training, before the segment goes and cannot come again."""
        folder = shipment.path.parent
        stream = self._streams.setdefault(folder, StreamAlarm(folder, library))
        alarm = stream.observe(shipment.path.stem, shipment.observations)
        if alarm is not None:
            self.shipped.alarms[model] = alarm

    def _add(self, shipment: Shipment, library: Library) -> int:
        """Add a segment's records but those erased; give the number of those that no library takes."""
        spared = Tombstones(library.tracking).spared
        try:
            return self._add_all(shipment.shards(spared(shipment.observations)), library)
        except (FovealError, OSError):
            raise
        except Exception as fault:
            takeable = [observation for observation in shipment.observations if is_takeable(observation)]
            refused = len(shipment.observations) - len(takeable)
            if not refused:
                raise
            name = shown(shipment.path.stem)
            _log.warning("%d records of segment %s cannot be kept", refused, name, exc_info=fault)
            return refused + self._add_all(shipment.shards(spared(takeable)), library)

    def _add_all(self, shards: Iterable[tuple[str, Made]], library: Library) -> int:
        """Add shards; one that has changed since it was shipped is refused."""
        refused = 0
        for name, made in shards:
            try:
                added = library.add(made, name)
            except ShardConflictError:
                refused += 1
            else:
                self.shipped.samples += added.samples
                self.shipped.entries += added.entries
        return refused

    def _report_losses(self, folder: Path, library: Library) -> bool:
        """Put on record what writers dropped; their counts only grow, saying it twice does no harm."""
        news = False
        for path in regular_files(folder, LOSSES):
            with suppress(FileNotFoundError), owned(path) as abandoned:
                counts = read_losses(path)
                if counts and counts != self._reported.get(path):
                    library.report_losses(file_name(path.stem), counts)
                    self._reported[path] = counts
                    news = True
                if abandoned and abs(time.time() - path.stat().st_mtime) > _NEW_SECONDS:
                    _put_away(path, counts)
        self.shipped.dropped = _sum(self._reported.values())
        return news


def _load(library: Library, segment: Path) -> Shipment:
    return Shipment(segment, read_segment(segment), library.made)


def _to_nobody(model: str, done: int, total: int) -> None:
    """Take a progress report and do nothing."""


@contextmanager
def _naming(spool: Path) -> Iterator[None]:
    """Turn trouble with the disk into an error that names the spool."""
    try:
        yield
    except OSError as fault:
        raise EnvironmentFault(
            f"Spool '{spool}' cannot be worked on: {fault.strerror} ({fault.filename})",
            "Check its disk and permissions",
        ) from fault


@contextmanager
def _locked(lock: Path) -> Iterator[int]:
    """Hold the one lock of a folder's shipper; it ends with the process."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not try_lock(descriptor):
            raise _Taken(
                f"Another shipper works on '{lock.parent}'", "Leave it to that one, or stop it first"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _model_folders(spool: Path) -> list[Path]:
    """Find the folders with segments: the given one itself, or those of the models in it."""
    candidates = [spool, *sorted(path for path in spool.iterdir() if path.is_dir())]
    found = [folder for folder in candidates if _holds_segments(folder)]
    return [spool] if spool in found else found


def _holds_segments(folder: Path) -> bool:
    with suppress(PermissionError):  # such as lost+found, where the spool is a disk of its own
        return folder.name != QUARANTINE and bool(regular_files(folder, _LOCK, OPEN, SEALED, DONE, LOSSES))
    return False


def _what_is_wrong(reader: SegmentReader, refused: int) -> str:
    """Say in words why a segment is put away."""
    if reader.foreign:
        return "was written by another version of Foveal; ship it with that version"
    return "holds records that cannot be kept" if refused else "is damaged"


def _quarantine(file: Path, why: str) -> None:
    """Keep a file for people to look at."""
    folder = file.parent / QUARANTINE
    try:
        folder.mkdir(exist_ok=True)
        kept = file.replace(folder / file.name)
    except OSError:  # a full disk, or something else of that name
        kept = file.replace(file.with_name(f"{file.name}.{QUARANTINE}"))
    _log.warning("%s %s; it is kept as %s", shown(file), why, shown(kept))


def _put_away(losses: Path, counts: dict[str, int] | None) -> None:
    """Remove a dead writer's report that has been passed on; keep one that cannot be read."""
    if counts is None and losses.stat().st_size:
        _quarantine(losses, "does not say what was dropped")
    else:
        losses.unlink()


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for each in counts:
        for reason, count in each.items():
            total[reason] += count
    return dict(sorted(total.items()))
