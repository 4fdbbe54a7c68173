"""Reading a segment: every whole frame, and a count of what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from foveal.records import Observation
from foveal.spool.frame import MAGIC, Damage, scan

#: No writer writes as much; such a file is not read into memory.
_LARGEST = 2**29


class SegmentReader(Iterator[Observation]):
    """Iterates over the observations of one segment.

    Attributes
    ----------
    torn
        Frames cut off at the end of the segment by a killed writer (0 or 1); they were never acknowledged.
    damaged
        Stretches that were changed after they had been written.
    lost_bytes
        Size of both together.
    foreign
        The segment begins as those of another version of Foveal do.
    """

    def __init__(self, path: Path) -> None:
        self.torn = 0
        self.damaged = 0
        self.lost_bytes = 0
        self.foreign = False
        self._items = self._scanned(path)

    def __next__(self) -> Observation:
        for item in self._items:
            if isinstance(item, Observation):
                return item
            self._count(item)
        raise StopIteration

    def _scanned(self, path: Path) -> Iterator[Observation | Damage]:
        size = path.stat().st_size
        if size > _LARGEST:
            return iter([Damage(0, size, torn=False)])
        data = path.read_bytes()
        self.foreign = data[:3] == MAGIC[:3] and data[3:4] not in {b"", MAGIC[3:4]}
        return scan(data)

    def _count(self, damage: Damage) -> None:
        self.torn += damage.torn
        self.damaged += not damage.torn
        self.lost_bytes += damage.stop - damage.start


def read_segment(path: Path) -> SegmentReader:
    """Read a segment, sealed or still open.

    Parameters
    ----------
    path
        A segment file. Whatever bytes it holds, reading it does not fail: stretches that hold no whole frame
        are counted in the reader's ``torn`` and ``damaged``.

    Raises
    ------
    OSError
        If the file itself cannot be read.
    """
    return SegmentReader(path)
