"""Taking erased samples out of what experts said: names and entries go, verdicts and who gave them stay.

What is left of an event keeps its id and its place in the chain, and lies under a name of its own: that of
the event with the erasure behind it. The event's salt goes, so that nobody can try names against the id.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from foveal.library.annotations import Annotations, Event
from foveal.library.artifacts import put_whole
from foveal.library.tracking import Tracking

#: What stands in the place of a name.
ERASED = "[erased]"
_WORD = re.compile(r"\w+")
_TEXTS = ("subject", "name", "code", "note")

Change = tuple[Event, Event]


class Unsaying:
    """The annotations of one library, as an erasure sees them.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._annotations = Annotations(tracking)

    def find(self, names: Iterable[str], ids: Collection[str], erasure: str) -> list[Change]:
        """Find events that name samples or entries; give each with what is left of it.

        Parameters
        ----------
        names
            Names of samples; of a path its last part counts too, as people write it.
        ids
            Ids of entries.
        erasure
            The erasure's id.
        """
        wanted, gone = _Names(names), frozenset(ids)
        events = self._annotations.events()
        pairs = [(event, _without(event, wanted, gone)) for event in events]
        return [(old, replace(left, salt="", erased=erasure)) for old, left in pairs if left != old]

    def replace(self, changes: Sequence[Change]) -> None:
        """Put what is left in the place of what was there, also where an erasure was cut off in doing so."""
        for old, new in changes:
            put_whole(self._tracking, new.path, new.content())
            self._tracking.delete(old.path)
        for path in self._annotations.superseded():
            self._tracking.delete(path)


class _Names:
    """Names of samples, and the last parts of paths, by the longest word of each: there may be very many."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_word: dict[str, list[str]] = {}
        parts = {part for name in names for part in (name, re.split(r"[/\\]", name)[-1])}
        for name in parts - {""}:
            self._by_word.setdefault(max(_WORD.findall(name), key=len, default=""), []).append(name)

    def taken_out_of(self, text: str) -> str:
        """Take names out of a text where they stand as words of their own, a path before its parts."""
        words = {"", *_WORD.findall(text)}
        likely = [name for word in words for name in self._by_word.get(word, ()) if name in text]
        for name in sorted(likely, key=lambda name: (-len(name), name)):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda _: ERASED, text)
        return text


def _without(event: Event, names: _Names, ids: frozenset[str]) -> Event:
    texts: dict[str, Any] = {field: names.taken_out_of(getattr(event, field)) for field in _TEXTS}
    return replace(event, **texts, entries=tuple(id_ for id_ in event.entries if id_ not in ids))
