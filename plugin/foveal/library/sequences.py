"""The numbers that order a library's shards, given out without looking at the shards.

A tag of the run keeps the last one with the shard it was given to: a shard whose writing was cut off gets the
same number again, so that the same records give the same files. Two writers at the same moment may be given
the same number; their shards' names order them then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from foveal.library.manifests import Shard
from foveal.library.tracking import SEQUENCE_TAG, Tracking


class Sequences:
    """Gives out the numbers of one library.

    Parameters
    ----------
    tracking
        The library's run.
    shards
        Lists the shards; asked only where an older Foveal left no tag.
    """

    def __init__(self, tracking: Tracking, shards: Callable[[], Sequence[Shard]]) -> None:
        self._tracking, self._shards = tracking, shards

    def reserve(self, name: str) -> int:
        """Give the number of a new shard, higher than that of any shard before."""
        last = self._last()
        if last is not None and last[1] == name:
            return last[0]
        number = 0 if last is None else last[0] + 1
        self._tracking.tag(SEQUENCE_TAG, json.dumps({"number": number, "shard": name}, sort_keys=True))
        return number

    def _last(self) -> tuple[int, str] | None:
        if self._tracking.find() is None:
            return None
        named = self._tracking.tags().get(SEQUENCE_TAG)
        if named is not None:
            tag = json.loads(named)
            return int(tag["number"]), str(tag["shard"])
        latest = max(self._shards(), key=lambda shard: shard.sequence, default=None)
        return None if latest is None else (latest.sequence, latest.name)
