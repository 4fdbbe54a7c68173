"""What experts say about a library: events that are only ever added, one artifact each.

An event names the hashes of the last events that its writer had seen, and its file is named after its own
hash. So people who write at the same time lose nothing, and whoever changes, drops or exchanges an event that
another one has seen is found out. Events that nothing has seen yet, the heads, can be dropped without a
trace: keep :meth:`Annotations.heads` elsewhere where that matters; each audit does.

One thing changes an event: the erasure of a sample that it names (:mod:`foveal.library.unsaying`). It keeps
its id and its place in the chain, and the receipt of the erasure has the hash of what is left.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from typing import Any, get_args

from foveal.errors import UsageError, nearest
from foveal.library.artifacts import put_whole
from foveal.library.receipt import FOLDER as RECEIPTS
from foveal.library.sayings import MOST, Kind, Verdict, clean
from foveal.library.tracking import Tracking

FOLDER = "annotations"
_SUFFIX = ".json"
_VERSION = 1
#: Fields that stand in an event's file only where they say something.
_SPARE = ("erased", "salt")
_SALT = 16
_ERASURE, _ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}"), re.compile(r"[0-9a-f]{64}")
_NO_EXPORT = "Give a file that `foveal library annotations NAME --export FILE` wrote"


@dataclass(frozen=True)
class Event:
    """One thing that somebody said; see :class:`Annotations`.

    Attributes
    ----------
    id
        sha256 of all the rest, which is the event's file; of one that an erasure changed, what it was before.
    time
        When it was written, ISO 8601 in UTC.
    who
        Who says so.
    subject
        What it is about: a finding (``A-1f3c9a2b``), or a feature as the library lists it.
    kind
        ``annotate``, ``undo`` of the event `undoes`, ``assign`` to the reader `second_reader` (to nobody
        where that is empty), or ``reopen``: what was said before is set aside.
    verdict
        ``genuine``, ``artefact``, ``site-specific`` or ``unsure``; empty for none.
    name, code
        The subject in the words of its domain, and a coded term such as ``SNOMED 39607008``.
    confidence
        0 to 1, or None.
    second_reader
        Who is asked to read it too.
    note
        Free text.
    entries
        Ids of entries that were shown as the subject: by them a later audit knows it again.
    before
        The last event about the subject that the writer had seen, empty where there was none.
    seen
        The last events of all that the writer had seen, sorted.
    salt
        Random, so that nobody can try texts against the id of an event that an erasure changed.
    erased
        The erasure that took something out of it.
    """

    id: str
    time: str
    who: str
    subject: str
    kind: Kind = "annotate"
    verdict: Verdict = ""
    name: str = ""
    code: str = ""
    confidence: float | None = None
    second_reader: str = ""
    note: str = ""
    undoes: str = ""
    entries: tuple[str, ...] = ()
    before: str = ""
    seen: tuple[str, ...] = ()
    salt: str = ""
    erased: str = ""

    def content(self) -> bytes:
        """Write the event's file: always the same bytes for the same event."""
        record = self.record() | {"version": _VERSION}
        if not self.erased:
            del record["id"]
        return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    def record(self) -> dict[str, Any]:
        """Give it for JSON."""
        told = asdict(self)
        return {name: value for name, value in told.items() if name not in _SPARE or value}

    @property
    def path(self) -> str:
        """The event's artifact; names are in the order of time."""
        moment = "".join(sign for sign in self.time if sign.isdigit())
        name = f"{moment}-{self.id}" + (f"-{self.erased}" if self.erased else "")
        return f"{FOLDER}/{name}{_SUFFIX}"


class Annotations:
    """The events of one library.

    Parameters
    ----------
    tracking
        The library's run, :attr:`foveal.library.Library.tracking`.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._known: dict[str, Event] = {}
        self._damaged: list[str] = []
        self._lock = threading.Lock()

    def add(
        self,
        who: str,
        subject: str,
        kind: Kind = "annotate",
        **said: Any,  # noqa: ANN401 - fields of Event, checked
    ) -> Event:
        """Add an event; it is stored when this returns.

        Parameters
        ----------
        who, subject, kind, said
            As in :class:`Event`.

        Raises
        ------
        UsageError
            If it says nothing that can be recorded.
        EnvironmentFault
            If it could not be stored.
        """
        return self.add_all([{**said, "who": who, "subject": subject, "kind": kind}])[0]

    def add_all(self, sayings: Sequence[Mapping[str, Any]]) -> list[Event]:
        """Add several events, one after the other; cut off, those that are stored make a whole chain.

        Parameters
        ----------
        sayings
            What :meth:`add` takes, by name. Nothing is stored where one of them cannot be recorded.

        Raises
        ------
        UsageError, EnvironmentFault
            As in :meth:`add`.
        """
        with self._lock:
            made = _chained(self._read(), sayings)
            for event in made:
                put_whole(self._tracking, event.path, event.content())
                self._known[event.path] = event
            return made

    def events(self) -> list[Event]:
        """Give all events as they are now, none before one that it had seen."""
        with self._lock:
            return self._read()

    def heads(self) -> list[str]:
        """List the events that no other event has seen, sorted: together they stand for all of them."""
        return _heads(self.events())

    def verify(self) -> list[str]:
        """Say what is wrong with the chain, one line per problem; nothing where it holds."""
        with self._lock:
            events, damaged = self._read(), list(self._damaged)
            unbacked = self._unbacked(events)
        known = {event.id for event in events}
        gone = sorted({id_ for event in events for id_ in event.seen} - known)
        return [
            *(f"{path}: altered or cut off" for path in damaged),
            *(f"event {id_[:12]}: missing, a later one has seen it" for id_ in gone),
            *(f"event {one.id[:12]}: changed, and no receipt of an erasure says so" for one in unbacked),
        ]

    def export(self) -> str:
        """Write all events as JSON, to be read by :meth:`read_in`."""
        records = [event.record() for event in self.events()]
        return json.dumps({"foveal_annotations": _VERSION, "events": records}, indent=1) + "\n"

    def read_in(self, text: str) -> int:
        """Add the events of an export that are not there yet, as they are; give their number.

        Raises
        ------
        UsageError
            If it is no export, or an event in it was altered; nothing is added then.
        """
        found = _parsed(text)
        there = {event.id for event in self.events()}
        new = [event for event in found if event.id not in there]
        self._tracking.put_all({event.path: event.content() for event in new})
        return len(new)

    def _read(self) -> list[Event]:
        """Bring what is known up to date; what was read once is never read again, it cannot change."""
        names = self._tracking.names_in(FOLDER) if self._tracking.find() is not None else []
        paths = [f"{FOLDER}/{name}" for name in names if name.endswith(_SUFFIX)]
        self._known = {path: self._known[path] for path in paths if path in self._known}
        new = [path for path in paths if path not in self._known]
        self._damaged = []
        for path, content in zip(new, self._tracking.read_all(new), strict=True):
            event = _event(content)
            if event is None or event.path != path:
                self._damaged.append(path)
            else:
                self._known[path] = event
        return in_order(latest(self._known.values()))

    def superseded(self) -> list[str]:
        """Name the files in whose place an erasure put others; one that was cut off leaves them."""
        with self._lock:
            left = {event.path for event in self._read()}
            return sorted(set(self._known) - left)

    def _unbacked(self, events: Sequence[Event]) -> list[Event]:
        """Find events that were changed otherwise than the receipts of erasures say."""
        changed = [event for event in events if event.erased]
        if not changed:
            return []
        paths = [f"{RECEIPTS}/{name}" for name in self._tracking.names_in(RECEIPTS)]
        files = (one for text in self._tracking.read_all(paths) for one in json.loads(text)["files"])
        told = {(one["path"], one["now"]) for one in files}
        return [one for one in changed if (one.path, hashlib.sha256(one.content()).hexdigest()) not in told]


def latest(events: Iterable[Event]) -> list[Event]:
    """Keep of each event what the last erasure left of it: one that was cut off leaves both files."""
    kept: dict[str, Event] = {}
    for event in events:
        if event.id not in kept or event.erased > kept[event.id].erased:
            kept[event.id] = event
    return list(kept.values())


def in_order(events: Iterable[Event]) -> list[Event]:
    """Order events by what their writers had seen, then by time; a missing one holds nothing up."""
    waiting = sorted(events, key=lambda event: (event.time, event.id))
    ordered: dict[str, Event] = {}
    present = {event.id for event in waiting}
    while waiting:
        later = []
        for event in waiting:
            if all(id_ in ordered or id_ not in present for id_ in event.seen):
                ordered[event.id] = event
            else:
                later.append(event)
        waiting = later
    return list(ordered.values())


def changed(event: Event, **said: object) -> dict[str, Any]:
    """Give what an event says, some of it changed, as fields for :meth:`Annotations.add`."""
    known = {name: value for name, value in asdict(event).items() if name in SAID}
    return known | {name: value for name, value in said.items() if name in SAID}


#: What a person says in an event; the rest is how it is kept.
SAID = ("verdict", "name", "code", "confidence", "second_reader", "note", "entries")


def _chained(known: Sequence[Event], sayings: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Make events of what is said, each of which has seen the one before."""
    last = {event.subject: event.id for event in known}
    seen, made = tuple(_heads(known)), []
    for said in sayings:
        subject = clean(str(said.get("subject", "")))
        time = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        fresh = {
            "time": time,
            "before": last.get(subject, ""),
            "seen": seen,
            "salt": secrets.token_hex(_SALT),
        }
        event = _sealed(Event(**{**said, "id": "", **fresh}))
        last[event.subject], seen = event.id, (event.id,)
        made.append(event)
    return made


def _heads(events: Sequence[Event]) -> list[str]:
    seen = {id_ for event in events for id_ in event.seen}
    return sorted(event.id for event in events if event.id not in seen)


def _sealed(event: Event) -> Event:
    """Check what is said, and give the event its id."""
    texts = {
        name: clean(getattr(event, name), most)
        for name, most in MOST.items()
        if isinstance(getattr(event, name), str)
    }
    entries = tuple(map(str, event.entries))
    event = replace(event, **texts, entries=entries)  # type: ignore[arg-type]
    _check(event)
    return replace(event, id=hashlib.sha256(event.content()).hexdigest())


def _check(event: Event) -> None:
    for what in ("who", "subject"):
        if not getattr(event, what):
            raise UsageError(f"An annotation without {_LACKS[what]}", "Say it: who says what of what")
    for what, known in (("verdict", get_args(Verdict)), ("kind", get_args(Kind))):
        value = getattr(event, what)
        if value not in known:
            raise UsageError(f"{value!r} is no {what}", nearest(str(value), [one for one in known if one]))
    confidence = event.confidence
    if confidence is not None and not 0 <= confidence <= 1:
        raise UsageError(f"A confidence of {confidence} is none", "Give a number from 0 to 1")


_LACKS: Mapping[str, str] = {"who": "a reader's name", "subject": "a subject"}


def _event(content: bytes) -> Event | None:
    """Read an event's file; nothing where it is none."""
    try:
        record = json.loads(content)
        if record.pop("version") != _VERSION:
            return None
        event = _of(record, hashlib.sha256(content).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return event if event.content() == content else None


def _of(record: Mapping[str, Any], id_: str) -> Event:
    """Make an event of its record; one that an erasure changed says itself what its id is."""
    names = {field.name for field in fields(Event)} - {"id"}
    own = {name: value for name, value in record.items() if name in names}
    if len(own) != len(record) - ("id" in record) or names - set(_SPARE) - set(own):
        raise ValueError("an event has fields of its own only, and all of them")
    told = Event(id=id_, **own | {"entries": tuple(own["entries"]), "seen": tuple(own["seen"])})
    if not told.erased:
        return told
    if not (_ERASURE.fullmatch(told.erased) and _ID.fullmatch(record["id"])):
        raise ValueError("both are parts of a file's name")
    return replace(told, id=record["id"])


def _parsed(text: str) -> list[Event]:
    """Read an export."""
    try:
        records = json.loads(text)["events"]
        events = [_of(one, one["id"]) for one in records]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError("These are no annotations", _NO_EXPORT) from None
    for event in events:
        if not event.erased and hashlib.sha256(event.content()).hexdigest() != event.id:
            raise UsageError(f"Event {event.id[:12]} of the export was altered", _NO_EXPORT)
    return events
