"""The shards of a library with something to erase, and putting others in their place."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from foveal.library.artifacts import put_whole
from foveal.library.leftovers import Leftovers
from foveal.library.manifests import KINDS, Shard
from foveal.library.plan import Plan
from foveal.library.reading import Reader
from foveal.library.store import _observations
from foveal.library.wanted import COLUMNS, Seen, Wanted
from foveal.records import Observation

if TYPE_CHECKING:
    from foveal.library.store import Library

_SUFFIX = re.compile(r"\.[a-z][0-9a-f]{12}$")


def successor(shard: Shard, letter: str, content: str) -> str:
    """Name the shard in the place of another: in the order of names it stands where that one stood."""
    stem = _SUFFIX.sub("", shard.name)[:180]
    return f"{stem}.{letter}{hashlib.sha256(f'{shard.name} {content}'.encode()).hexdigest()[:12]}"


def observations_of(library: Library, *shards: Shard) -> list[Observation]:
    """Read the records of neighbouring shards; of several of the same sample the last."""
    pieces = Reader(library.store, shards).pieces()
    return [one for piece in pieces for one in _observations(piece)]


@dataclass(frozen=True)
class Shelves:
    """A library's shards, seen by an erasure."""

    library: Library
    wanted: Wanted

    def scan(self, plan: Plan) -> list[Shard]:
        """Take note of every shard with something to erase, and of what there is."""
        found = list(self._concerned())
        for shard in found:
            gone = [one for one in observations_of(self.library, shard) if self._takes(one)]
            plan.note(gone)
            plan.shards[shard.name] = {
                "by": successor(shard, "e", f"{shard.content_sha256} {plan.key}"),
                "samples": len(gone),
                "entries": sum(len(one.entries) for one in gone),
                "content": shard.content_sha256,
                "files": {shard.path(kind): shard.part(kind).sha256 for kind in KINDS},
            }
        return found

    def erase(self, shard: Shard, plan: Plan) -> None:
        """Put what is left of a shard in its place."""
        kept = [one for one in observations_of(self.library, shard) if not self._takes(one)]
        self.library.store.replace([shard], kept, plan.shards[shard.name]["by"])

    def orphans(self) -> tuple[Leftovers, list[str]]:
        """Find unfinished shards with something to erase."""
        leftovers = Leftovers(self.library.tracking, self.library.store)
        return leftovers, leftovers.orphans(lambda samples: bool(self.wanted.mask(samples).any()))

    def remember(self, plan: Plan) -> None:
        """Let whoever adds the rest of an erased shard again find it there already."""
        present = {shard.name: shard for shard in self.library.store.shards()}
        for old, noted in plan.shards.items():
            new = present.get(noted["by"])
            if new is not None:
                note = {"by": new.name, "content_sha256": new.content_sha256}
                put_whole(
                    self.library.tracking, f"replaced/{old}.json", json.dumps(note, sort_keys=True).encode()
                )

    def _concerned(self) -> Iterator[Shard]:
        for shard in self.library.store.shards():
            file = self.library.store.file(shard, "samples")
            samples = pq.read_table(file, columns=list(COLUMNS), partitioning=None)
            if shard.source in self.wanted.sources and self.wanted.mask(samples).any():
                yield shard

    def _takes(self, observation: Observation) -> bool:
        return self.wanted.takes(Seen.of(observation.sample))
