"""The crash-safe local log between a serving worker and the library: append, seal, read.

Standard library and numpy only: the serving worker imports this. One process appends to one *segment* at a
time; what :meth:`Spool.append` acknowledged is with the kernel, so that killing the process loses nothing.
"""

from __future__ import annotations

from foveal.spool.reader import SegmentReader, read_segment
from foveal.spool.segments import loss_counters, seal_abandoned, sealed_segments
from foveal.spool.writer import Durability, Spool

__all__ = [
    "Durability",
    "SegmentReader",
    "Spool",
    "loss_counters",
    "read_segment",
    "seal_abandoned",
    "sealed_segments",
]
