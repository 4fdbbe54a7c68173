"""Compacting: many small shards become few large ones, and nobody who reads the library can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from foveal.errors import UsageError
from foveal.library.leftovers import Leftovers, sweep_cache
from foveal.library.manifests import KINDS, Shard
from foveal.library.shelves import observations_of, successor
from foveal.library.upkeep import alone

if TYPE_CHECKING:
    from foveal.library.store import Library

#: Entries of a shard that is large enough: some tens of megabytes.
ROWS = 10_000

#: Told how many groups are merged and how many there are.
Progress = Callable[[int, int], None]


@dataclass
class Compacted:
    """What compacting did: shards before and after, and what became of which."""

    before: int = 0
    after: int = 0
    merged: dict[str, list[str]] = field(default_factory=dict)


def compact(library: Library, rows: int = ROWS, progress: Progress | None = None) -> Compacted:
    """Merge neighbouring shards of the same source, model and configuration.

    Cut off anywhere, the library reads the same, and the same call again goes on.

    Parameters
    ----------
    library
        The library.
    rows
        Merge until a shard holds about so many entries.
    progress
        Called after each merge.

    Raises
    ------
    UsageError
        If there is no such library, or `rows` is not positive.
    EnvironmentFault
        If MLflow fails, or another process keeps the library.
    """
    if rows < 1:
        raise UsageError(f"Shards of {rows} entries cannot be made", "Give --rows a number above 0")
    with alone(library.tracking):
        Leftovers(library.tracking, library.store).finish()
        shards = library.store.shards()
        groups = list(_groups(shards, rows))
        done = Compacted(len(shards), len(shards))
        for number, group in enumerate(groups, start=1):
            new = _merge(library, group)
            done.merged[new.name] = [shard.name for shard in group]
            done.after -= len(group) - 1
            if progress is not None:
                progress(number, len(groups))
    return done


def _merge(library: Library, group: Sequence[Shard]) -> Shard:
    """Put one shard in the place of several; named after the last, it keeps that one's place."""
    content = " ".join(shard.content_sha256 for shard in group)
    new = library.store.replace(group, observations_of(library, *group), successor(group[-1], "c", content))
    sweep_cache(library.run_id, [shard.part(kind).sha256 for shard in group for kind in KINDS])
    return new


def _groups(shards: Sequence[Shard], rows: int) -> Iterator[list[Shard]]:
    """Find neighbours to merge.

    Where a sample was recorded twice the later shard counts, whatever its model and configuration are: only
    shards with no other of the same source between them may become one. Sources share no sample.
    """
    for source in sorted({shard.source for shard in shards}):
        own = [shard for shard in shards if shard.source == source]
        for _, run in groupby(own, key=lambda shard: (shard.model_sha256, shard.config_sha256)):
            yield from _filled(run, rows)


def _filled(run: Iterator[Shard], rows: int) -> Iterator[list[Shard]]:
    """Cut a run of neighbours into groups of about so many entries; one shard alone stays as it is."""
    group: list[Shard] = []
    for shard in run:
        if group and _size(*group, shard) > rows:
            yield from [group] if len(group) > 1 else []
            group = []
        group.append(shard)
    yield from [group] if len(group) > 1 else []


def _size(*shards: Shard) -> int:
    return sum(max(shard.entries.rows, shard.samples.rows) for shard in shards)
