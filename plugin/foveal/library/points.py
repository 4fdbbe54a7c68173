"""Points on the disk: what the entries of a space are compared by, in flat files that grow at their end.

A question goes through all of them. At half precision the processor multiplies them as fast as the memory
gives them: half a million points of 64 numbers take 25 ms, and what is found is what is nearest. A graph
index (HNSW) answers in a few, but is never sure to have found it, and takes half a millisecond of work for
each point that comes in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.library.artifacts import write_whole

Rows = NDArray[np.int64]
Distances = NDArray[np.float64]

_VERSION = 1
#: Numbers of the points; the lot, the end of the id and the id itself of each, one behind the other.
_FILES = (".points", ".lots", ".ends", ".ids")
#: Points that are compared at once.
_AT_ONCE = 1 << 16


class Nearest(NamedTuple):
    """Rows of points and their cosine distances, the nearest first."""

    rows: Rows
    distances: Distances


class PointFiles:
    """The points of one space, as far as they were whole when these files were last opened.

    Parameters
    ----------
    stem
        Path of the files without their endings.
    dims
        Numbers of a point.
    """

    def __init__(self, stem: Path, dims: int) -> None:
        self._stem, self._dims = stem, dims
        self._sizes = dict.fromkeys(_FILES, 0)
        self.open()

    def __len__(self) -> int:
        return len(self.lots)

    def open(self) -> None:
        """Look at the files anew; where they are not what was written there are no points."""
        known = _read(self._stem.with_suffix(".json"))
        found = {suffix: _signature(self._stem.with_suffix(suffix)) for suffix in _FILES}
        whole = known == {"version": _VERSION, "dims": self._dims, "files": found}
        self._sizes = {suffix: found[suffix][0] if whole else 0 for suffix in _FILES}
        self._points: NDArray[np.float16] = self._map(".points", "f2").reshape(-1, self._dims)
        self.lots: NDArray[np.uint64] = self._map(".lots", "u8")
        self._ends: NDArray[np.int64] = self._map(".ends", "i8")
        self._ids: NDArray[np.uint8] = self._map(".ids", "u1")

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Let :meth:`add` write; what it wrote counts from the end on. Cut off before, no points are left."""
        self._stem.with_suffix(".json").unlink(missing_ok=True)
        with ExitStack() as files:
            self._open = {suffix: files.enter_context(self._end_of(suffix).open("ab")) for suffix in _FILES}
            yield
        files_ = {suffix: _signature(self._stem.with_suffix(suffix)) for suffix in _FILES}
        told = {"version": _VERSION, "dims": self._dims, "files": files_}
        write_whole(self._stem.with_suffix(".json"), json.dumps(told).encode())
        self.open()

    def add(self, points: NDArray[np.float32], lots: NDArray[np.uint64], ids: Sequence[str]) -> None:
        """Write points of length one behind the others, with their lots and ids."""
        texts = [id_.encode() for id_ in ids]
        ends = self._open[".ids"].tell() + np.cumsum([len(text) for text in texts], dtype=np.int64)
        written = (
            points.astype("f2").tobytes(),
            lots.astype("u8").tobytes(),
            ends.tobytes(),
            b"".join(texts),
        )
        for suffix, content in zip(_FILES, written, strict=True):
            self._open[suffix].write(content)

    def ids(self, rows: Rows) -> list[str]:
        """Give the ids of points."""
        starts = np.where(rows > 0, self._ends[rows - 1], 0)
        return [
            self._ids[start:stop].tobytes().decode()
            for start, stop in zip(starts, self._ends[rows], strict=True)
        ]

    def point(self, row: int) -> NDArray[np.float32]:
        """Give one point."""
        one: NDArray[np.float32] = self._points[row].astype(np.float32)
        return one

    def nearest(self, point: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]) -> Nearest:
        """Find the points that are nearest to one among those that are allowed; of equal ones the first.

        Parameters
        ----------
        point
            Of length one.
        k
            How many.
        allowed
            Of every point, whether it may be in the answer.
        """
        best = Nearest(np.empty(0, np.int64), np.empty(0))
        for start in range(0, len(self), _AT_ONCE):
            farthest = best.distances[-1] if len(best.rows) == k else np.inf
            near = self._within(start, allowed[start : start + _AT_ONCE], point, farthest)
            best = _least(_both(best, near), k) if len(near.rows) else best
        return best

    def _within(
        self, start: int, allowed: NDArray[np.bool_], point: NDArray[np.float32], farthest: float
    ) -> Nearest:
        """Find the points of one stretch that are not farther than so much."""
        rows = np.flatnonzero(allowed)
        if not len(rows):
            return Nearest(rows, np.empty(0))
        own = self._points[start : start + len(allowed)]
        if len(rows) < len(own) / 4:
            distances = _distances(own[rows], point)
            near = distances <= farthest
            return Nearest(start + rows[near], distances[near])
        distances = _distances(own, point)  # picking points costs more than comparing some for nothing
        rows = np.flatnonzero(allowed & (distances <= farthest))
        return Nearest(start + rows, distances[rows])

    def _map(self, suffix: str, kind: str) -> NDArray[Any]:
        size = self._sizes[suffix] // np.dtype(kind).itemsize
        path = self._stem.with_suffix(suffix)
        return np.memmap(path, kind, "r", shape=(size,)) if size else np.empty(0, kind)

    def _end_of(self, suffix: str) -> Path:
        """Make a file end where it was whole; where nothing of it was, a new file takes its place."""
        path = self._stem.with_suffix(suffix)
        if self._sizes[suffix]:
            os.truncate(path, self._sizes[suffix])
        else:
            path.unlink(missing_ok=True)
        return path


def _distances(points: NDArray[np.float16], point: NDArray[np.float32]) -> Distances:
    import numkong  # noqa: PLC0415 - only those who look for neighbours wait for it

    products = numkong.cdist(point.astype(np.float16)[None], np.ascontiguousarray(points), "dot")
    distances: Distances = 1 - np.asarray(products, np.float64)[0]
    return distances


def _both(one: Nearest, other: Nearest) -> Nearest:
    return Nearest(np.concatenate([one.rows, other.rows]), np.concatenate([one.distances, other.distances]))


def _least(found: Nearest, k: int) -> Nearest:
    """Keep the nearest, in order; of equal ones the first."""
    rows, distances = found
    if len(rows) > k:
        near = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
        rows, distances = rows[near], distances[near]
    order = np.lexsort((rows, distances))[:k]
    return Nearest(rows[order], distances[order])


def _signature(path: Path) -> list[int]:
    """Tell a file from what it would be had anybody else written to it."""
    try:
        stat = path.stat()
    except OSError:
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
