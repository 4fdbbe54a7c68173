"""One at a time: erasing and compacting both put shards in the place of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from foveal.errors import EnvironmentFault
from foveal.library.shards import cache_folder
from foveal.library.tracking import Tracking
from foveal.spool.segments import try_lock


@contextmanager
def alone(tracking: Tracking) -> Iterator[None]:
    """Keep other upkeep of the same library on this machine out; ends with the process.

    Raises
    ------
    EnvironmentFault
        If some is under way.
    """
    folder = cache_folder() / str(tracking.run().info.run_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "upkeep.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(descriptor):
            raise EnvironmentFault(
                f"Library {tracking.name!r} is being erased from or compacted by another process",
                "Wait until that one is done, then run this again",
            )
        yield
    finally:
        os.close(descriptor)
