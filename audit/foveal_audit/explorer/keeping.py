"""Crops and maps in memory: a list in the order of activation jumps through all of a library's files.

One pass reads the files in their own order, group by group, which is a hundred times cheaper than to read the
groups that a screenful of such a list is scattered over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from foveal.errors import FovealError
from foveal.library import Library

#: Bytes that are kept; of a larger library the rest is read when it is seen.
BUDGET = 400_000_000
_AT_ONCE = 1000
#: Seconds between two pieces: who let go of a lock is the first to take it again, and others wait for it.
_BREATH = 0.002
#: Bytes of the pieces that are put together when all is read.
_GROUP = 100_000_000


class Keeper:
    """What was read of a library already.

    Parameters
    ----------
    columns
        What is kept of each entry; ``id`` among them.
    budget
        Bytes at most.
    """

    def __init__(self, columns: Iterable[str], budget: int = BUDGET) -> None:
        self._columns, self._budget = list(columns), budget
        self._kept, self._state = _Kept(), ""

    def follow(
        self, library: Library, state: str, lock: AbstractContextManager[Any], ahead: float = 0
    ) -> None:
        """Read the library, once for each of its states; what takes longer in a thread of its own.

        Parameters
        ----------
        state
            Tells the library's content from any other.
        lock
            Held while the library is asked, piece by piece.
        ahead
            Seconds for which the caller waits: meanwhile nothing else competes for the processor.
        """
        if state == self._state:
            return
        self._state = state
        reading, until = self._read(library, state, lock), time.monotonic() + ahead
        while time.monotonic() < until:
            if next(reading, None) is None:
                return
        threading.Thread(target=_finish, args=(reading,), daemon=True).start()

    def rows(self, ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """Give what is known of entries, in any order; those that are not read yet are missing."""
        kept = self._kept
        wanted: dict[int, list[int]] = {}
        for piece, at in (kept.where[id_] for id_ in ids if id_ in kept.where):
            wanted.setdefault(piece, []).append(at)
        taken = (kept.pieces[piece].take(pa.array(places)).to_pylist() for piece, places in wanted.items())
        return {row["id"]: row for rows in taken for row in rows}

    def _read(self, library: Library, state: str, lock: AbstractContextManager[Any]) -> Iterator[int]:
        """Read piece after piece; gives how many entries are kept."""
        self._kept = kept = _Kept()
        room = self._budget
        batches = library.query().batches(self._columns, _AT_ONCE)
        try:
            while room > 0 and state == self._state:
                with lock:  # MLflow's settings are the process's: two threads would undo each other's
                    batch = next(batches, None)
                if batch is None:
                    break
                room -= batch.nbytes
                kept.add(batch)
                yield len(kept.where)
        except (FovealError, RuntimeError):  # the library has changed meanwhile, or the program ends
            return
        if state == self._state:
            self._kept = kept.merged()


def _finish(reading: Iterator[int]) -> None:
    for _ in reading:
        time.sleep(_BREATH)


@dataclass
class _Kept:
    """What is kept of one state: pieces, and of each entry its piece and place in it."""

    pieces: list[pa.Table] = field(default_factory=list)
    where: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, batch: pa.Table) -> None:
        """Keep a batch; it serves at once."""
        self.pieces.append(batch)
        piece = len(self.pieces) - 1
        self.where.update({id_: (piece, at) for at, id_ in enumerate(batch["id"].to_pylist())})

    def merged(self) -> _Kept:
        """Put pieces together into few, so that a screenful that lies in all of them is soon taken."""
        whole = _Kept()
        for few in _grouped(self.pieces):
            whole.add(pa.concat_tables(few).combine_chunks())
        return whole


def _grouped(pieces: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """Group pieces up to some bytes: while one group is copied, no other takes memory twice."""
    group: list[pa.Table] = []
    for piece in pieces:
        if group and sum(one.nbytes for one in [*group, piece]) > _GROUP:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group
