"""What a shard that was replaced, or never finished, leaves behind: pixels that do not count."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from foveal.library.manifests import KINDS, Shard
from foveal.library.shards import ShardStore, cache_folder
from foveal.library.tracking import Tracking
from foveal.library.wanted import COLUMNS

#: A shard's first file lies there for a moment before its manifest does.
_MOMENT_SECONDS = 2.0


class Leftovers:
    """Finds and deletes files that no manifest stands for.

    Parameters
    ----------
    tracking, store
        The library's run and shards.
    """

    def __init__(self, tracking: Tracking, store: ShardStore) -> None:
        self._tracking, self._store = tracking, store

    def finish(self) -> None:
        """Delete what replaced shards left, where their deletion was cut off."""
        names = self._names("manifests", ".json")
        for new in self._store.shards():
            old = [self._manifest(name) for name in new.replaces if name in names]
            self._store.discard([shard for shard in old if shard is not None], new)

    def orphans(self, holds: Callable[[pa.Table], bool]) -> list[str]:
        """Find files of shards without a manifest.

        Parameters
        ----------
        holds
            Says of a table of samples whether it is wanted gone.

        Returns
        -------
        list of str
            Names of unfinished shards that hold such samples, or that nobody can read.
        """
        return [name for name in self._unfinished() if self._meant(name, holds)]

    def delete(self, names: Iterable[str]) -> None:
        """Delete unfinished shards."""
        for name in names:
            for kind in reversed(KINDS):
                self._tracking.delete(f"{kind}/{name}.parquet")

    def _unfinished(self) -> set[str]:
        """Name the shards without a manifest, at two looks: a writer may just be at work."""
        found = self._without_manifest()
        if not found:
            return found
        time.sleep(_MOMENT_SECONDS)
        return found & self._without_manifest()

    def _without_manifest(self) -> set[str]:
        files = set().union(*(self._names(kind, ".parquet") for kind in KINDS))
        unknown = files - {shard.name for shard in self._store.shards()}
        return {name for name in unknown if self._manifest(name) is None}

    def _meant(self, name: str, holds: Callable[[pa.Table], bool]) -> bool:
        content = self._tracking.peek(f"samples/{name}.parquet")
        try:
            return content is None or holds(pq.read_table(io.BytesIO(content), columns=list(COLUMNS)))
        except (pa.ArrowException, KeyError, OSError):
            return True

    def _manifest(self, name: str) -> Shard | None:
        content = self._tracking.peek(f"manifests/{name}.json")
        return None if content is None else Shard.from_json(content)

    def _names(self, folder: str, ending: str) -> set[str]:
        names = self._tracking.names_in(folder)
        return {name.removesuffix(ending) for name in names if name.endswith(ending)}


def sweep_cache(run_id: str, hashes: Iterable[str]) -> int:
    """Delete this machine's copies of files; gives how many there were."""
    folder = cache_folder() / run_id
    copies = [file for sha256 in hashes if (file := folder / f"{sha256}.parquet").is_file()]
    for file in copies:
        file.unlink(missing_ok=True)
    return len(copies)
