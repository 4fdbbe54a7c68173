"""The receipt of an erasure: what was erased, when, from where, and what could not be reached."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from foveal.errors import FovealError

FOLDER = "receipts"
_VERSION = 1


@dataclass(frozen=True)
class Unreached:
    """What an erasure could not get at, why, and what to do about it."""

    place: str
    reason: str
    mend: str

    @classmethod
    def of(cls, place: str, fault: FovealError) -> Unreached:
        """Make it of an error."""
        return cls(place, fault.fault, fault.mend)


@dataclass(frozen=True)
class Changed:
    """A file that was written again or deleted: its hash before and, where it is still there, after."""

    place: str
    path: str
    was: str | None
    now: str | None


@dataclass
class Receipt:
    """What one erasure did.

    Attributes
    ----------
    id
        The erasure's name; empty where there was nothing to erase.
    requested
        ``by``, ``sources`` and the moment or the keyed hash of the name: who knows the name can check the
        receipt against it (:meth:`~foveal.library.tombstones.Tombstones.digest`), nobody else learns it.
    counts
        By place (``library``, ``spool``, ``cache``, ``units``, ``losses``, ``bundles``, ``events``).
    files
        What was written again or deleted.
    shards, features
        The shards that held it, by name and hash of their records, and the features of its entries.
    retrain
        Features whose generators have learned from what was erased.
    unreached
        What is still to be done; the same erasure again does it.
    """

    library: str
    requested: dict[str, Any]
    id: str = ""
    started: str = ""
    finished: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    files: list[Changed] = field(default_factory=list)
    shards: dict[str, str] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    retrain: list[str] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be done."""
        return not self.unreached

    @property
    def changed(self) -> bool:
        """Whether there was something to erase."""
        return bool(self.files) or any(number for place in self.counts.values() for number in place.values())

    def count(self, place: str, **numbers: int) -> None:
        """Add numbers to those of a place."""
        own = self.counts.setdefault(place, {})
        for what, number in numbers.items():
            own[what] = own.get(what, 0) + number

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {"version": _VERSION, **asdict(self), "complete": self.complete}

    def to_json(self) -> bytes:
        """Write it."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True).encode()
