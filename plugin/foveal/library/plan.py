"""What an erasure found, put on record before anything goes, so that one that was cut off can be finished.

As long as the erasure lasts its plan lies in the library's run. It holds a salt: what is kept of an erased
sample, its event, carries hashes made with it. The salt goes with the plan, and from then on nobody can tell
whose event it was, nor try candidates against the hash of a crop.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from foveal.library.artifacts import put_whole
from foveal.library.schema import clean_text
from foveal.library.tracking import Tracking
from foveal.records import Observation

FOLDER = "erasing"
EVENTS = "events"
_VERSION = 1


@dataclass
class Plan:
    """One erasure under way.

    Attributes
    ----------
    key
        Stands for what is wanted gone: who wants the same again goes on with the same plan.
    shards
        By name of a shard with something to erase: the name of the one in its place (``by``), what goes
        (``samples``, ``entries``), ``content`` (its hash) and ``files`` (path to hash).
    spool
        By path of a segment: ``samples``, ``was`` and ``now`` (hashes).
    events
        What is kept of each erased sample.
    words
        By path of what is left of an annotation: the path it had (``of``) and the hashes (``was``, ``now``).
    ids, features
        Of the erased entries.
    names
        Of the erased samples; never put on record.
    """

    key: str
    id: str = ""
    salt: str = ""
    started: str = ""
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)
    spool: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    words: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        now = datetime.now(timezone.utc)
        self.started = self.started or f"{now:%Y-%m-%dT%H:%M:%SZ}"
        self.id = self.id or f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.salt = self.salt or secrets.token_hex(32)

    def note(self, observations: Iterable[Observation]) -> None:
        """Take note of what is about to go."""
        ids, features = set(self.ids), set(self.features)
        for one in observations:
            event = self._event(one)
            if event["entries"] or event["event"] not in self.events:
                self.events[event["event"]] = event
            ids.update(entry.id for entry in one.entries)
            features.update(clean_text(entry.feature) for entry in one.entries)
            self.names.add(clean_text(one.sample.sample))
        self.ids, self.features = sorted(ids), sorted(features)

    def _event(self, observation: Observation) -> dict[str, Any]:
        """Say that there was a sample, without anything of it."""
        sample = observation.sample
        identity = "\0".join((sample.source, sample.sample, str(sample.row), sample.sample_sha256))
        return {
            "event": self._hash(identity.encode("utf-8", "backslashreplace"))[:32],
            "time": sample.time,
            "source": sample.source,
            "model_sha256": sample.model_sha256,
            "config_sha256": sample.config_sha256,
            "entries": len(observation.entries),
            "crops": [self._hash(entry.id.encode() + b"\0" + entry.crop) for entry in observation.entries],
        }

    def _hash(self, content: bytes) -> str:
        return hmac.digest(bytes.fromhex(self.salt), content, "sha256").hex()


class Plans:
    """The plans of one library."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def open(self, key: str) -> Plan:
        """Give the plan that was cut off, or a new one."""
        content = self._tracking.peek(_path(key))
        return Plan(key) if content is None else Plan(**json.loads(content)["plan"])

    def put(self, plan: Plan, keep_events: bool) -> None:
        """Put a plan on record, and the events that stay."""
        content: dict[str, Any] = {"version": _VERSION, "plan": asdict(replace(plan, names=set()))}
        del content["plan"]["names"]
        put_whole(self._tracking, _path(plan.key), json.dumps(content, sort_keys=True).encode())
        if keep_events and plan.events:
            events = {"version": _VERSION, "erasure": plan.id, "events": _sorted(plan)}
            put_whole(self._tracking, f"{EVENTS}/{plan.id}.json", json.dumps(events, indent=1).encode())

    def close(self, plan: Plan) -> None:
        """Throw the plan away, and its salt with it."""
        self._tracking.delete(_path(plan.key))


def _path(key: str) -> str:
    return f"{FOLDER}/{key}.json"


def _sorted(plan: Plan) -> list[dict[str, Any]]:
    return sorted(plan.events.values(), key=lambda event: (event["time"], event["event"]))
