"""Manifests: what a shard is, and the small file that makes it count."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from foveal.errors import UsageError
from foveal.records import Source

Kind = Literal["samples", "entries"]
KINDS: tuple[Kind, ...] = ("samples", "entries")
_VERSION = 1


def part_path(kind: Kind, name: str) -> str:
    """Give the artifact path of a part of the shard of a name."""
    return f"{kind}/{name}.parquet"


@dataclass(frozen=True)
class Added:
    """What was new to the library."""

    samples: int = 0
    entries: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(self.samples + other.samples, self.entries + other.entries)


def described(counts: Mapping[Source, Added]) -> str:
    """Say in one line what a library holds."""
    samples = ", ".join(f"{count.samples:,} {source}" for source, count in counts.items()) or "0"
    return f"{samples} samples, {sum(count.entries for count in counts.values()):,} entries"


@dataclass(frozen=True)
class Part:
    """One Parquet file of a shard."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """What a manifest says.

    Attributes
    ----------
    sequence
        Later shards have higher numbers: where a sample was recorded twice, the later one counts.
    content_sha256
        Hash of the records themselves, whatever version of pyarrow wrote the files.
    replaces
        Names of the shards that do not count any more since this one is there.
    """

    name: str
    source: Source
    model_sha256: str
    config_sha256: str
    sequence: int
    content_sha256: str
    samples: Part
    entries: Part
    replaces: tuple[str, ...] = ()

    def path(self, kind: Kind) -> str:
        """Give the artifact path of a part."""
        return part_path(kind, self.name)

    def part(self, kind: Kind) -> Part:
        """Give one of the two parts."""
        return self.samples if kind == "samples" else self.entries

    def to_json(self) -> bytes:
        """Write the manifest."""
        fields = {"version": _VERSION, **asdict(self)}
        if not self.replaces:
            del fields["replaces"]
        return json.dumps(fields, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Shard | None:
        """Read a manifest; nothing where its writing was cut off.

        Raises
        ------
        UsageError
            If a newer Foveal wrote it.
        """
        try:
            fields: dict[str, Any] = json.loads(content)
        except ValueError:
            return None
        if fields.pop("version") != _VERSION:
            raise UsageError("A newer Foveal wrote this library", "Update with: pip install -U foveal")
        parts = {kind: Part(**fields[kind]) for kind in ("samples", "entries")}
        return cls(**{**fields, **parts, "replaces": tuple(fields.get("replaces", ()))})


@dataclass(frozen=True)
class Draft:
    """All of a manifest but its files; see :class:`Shard`."""

    name: str
    source: Source
    model_sha256: str
    config_sha256: str
    sequence: int
    content_sha256: str
    replaces: tuple[str, ...] = ()

    def shard(self, samples: Part, entries: Part) -> Shard:
        """Give the manifest."""
        return Shard(**vars(self), samples=samples, entries=entries)


def counting(shards: Iterable[Shard]) -> list[Shard]:
    """Leave out what others replace, and put earlier shards first."""
    present = list(shards)
    replaced = {name for shard in present for name in shard.replaces}
    return sorted(
        (shard for shard in present if shard.name not in replaced),
        key=lambda shard: (shard.sequence, shard.name),
    )
