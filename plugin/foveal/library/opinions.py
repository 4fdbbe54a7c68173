"""What all events together say: what each reader thinks of each subject now, and whether they agree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from foveal.library.annotations import Event
from foveal.library.sayings import Kind


@dataclass(frozen=True)
class Standing:
    """What is thought of one subject.

    Attributes
    ----------
    subject
        The finding or feature.
    opinions
        The last word of each reader, who spoke first comes first.
    earlier
        Last words that were set aside, as the subject was opened again; their readers have not spoken since.
    assignment
        The event that says who is to read it, None where nobody was told to.
    opening
        The event that opened it again, None where it was not.
    """

    subject: str
    opinions: tuple[Event, ...]
    earlier: tuple[Event, ...] = ()
    assignment: Event | None = None
    opening: Event | None = None

    @property
    def verdict(self) -> str:
        """The verdict, where all readers who gave one agree; else empty."""
        return self.verdicts[0] if len(self.verdicts) == 1 else ""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The different verdicts, sorted."""
        return tuple(sorted({one.verdict for one in self.opinions if one.verdict}))

    @property
    def disagreement(self) -> bool:
        """Whether two readers gave different verdicts."""
        return len(self.verdicts) > 1

    @property
    def name(self) -> str:
        """What it was named last."""
        return self._last("name")

    @property
    def code(self) -> str:
        """The coded term that was given last."""
        return self._last("code")

    @property
    def entries(self) -> frozenset[str]:
        """Ids of the entries that were shown as the subject."""
        return frozenset(id_ for one in self._words for id_ in one.entries)

    @property
    def assigned(self) -> str:
        """Who is to read it, empty for nobody."""
        return self.assignment.second_reader if self.assignment else ""

    @property
    def opened(self) -> str:
        """Who opened it again, empty where nobody did or a verdict was given since."""
        return self.opening.who if self.opening and not self.verdicts else ""

    @property
    def awaited(self) -> tuple[str, ...]:
        """Readers who were asked and have given no verdict, sorted."""
        read = {one.who for one in self.opinions if one.verdict}
        asked = {one.second_reader for one in self._words} | {self.assigned}
        return tuple(sorted(asked - read - {""}))

    @property
    def readers(self) -> tuple[str, ...]:
        """All who spoke or were asked, sorted."""
        return tuple(sorted({one.who for one in self._words} | set(self.awaited)))

    def of(self, who: str) -> Event | None:
        """Give a reader's last word, also one that was set aside."""
        return next((one for one in self._words if one.who == who), None)

    @property
    def _words(self) -> tuple[Event, ...]:
        return (*self.opinions, *self.earlier)

    def _last(self, what: str) -> str:
        said = [(one.time, getattr(one, what)) for one in self._words if getattr(one, what)]
        return max(said)[1] if said else ""


def in_force(events: Sequence[Event]) -> list[Event]:
    """Leave out what was undone, and the undoing; undoing an undoing brings the event back."""
    undone: set[str] = set()
    kept = []
    for event in reversed(events):
        if event.id in undone:
            continue
        if event.kind == "undo":
            undone.add(event.undoes)
        else:
            kept.append(event)
    return kept[::-1]


def standings(events: Sequence[Event]) -> dict[str, Standing]:
    """Say what is thought of every subject.

    Parameters
    ----------
    events
        As :meth:`foveal.library.annotations.Annotations.events` gives them: in order.
    """
    courses: dict[str, _Course] = {}
    for event in in_force(events):
        if event.kind in _TAKES:  # a later version may know more kinds
            _TAKES[event.kind](courses.setdefault(event.subject, _Course()), event)
    return {subject: course.standing(subject) for subject, course in courses.items()}


def overlap(
    entries: Collection[str], one: Standing, held: Mapping[str, Collection[str]] | None = None
) -> float | None:
    """Give the part of a subject's entries that is among these, 0 to 1; None where it has none to go by.

    Parameters
    ----------
    entries
        Ids of a facet's entries.
    one
        What was said of a subject.
    held
        Of each entry that there still is the ids to look for: its own, or those that another model gave to
        windows in its place. Others may have been erased.
    """
    if held is None:
        held = {id_: (id_,) for id_ in one.entries}
    known = [held[id_] for id_ in one.entries if id_ in held]
    return sum(any(id_ in entries for id_ in ids) for ids in known) / len(known) if known else None


def known_again(
    entries: Iterable[str],
    subjects: Iterable[str],
    found: Mapping[str, Standing],
    least: float = 0.5,
    held: Mapping[str, Collection[str]] | None = None,
) -> Standing | None:
    """Find what experts said about a facet, though a later audit may number it otherwise.

    Parameters
    ----------
    entries
        Ids of the facet's entries.
    subjects
        Names under which it may have been annotated, the likeliest first.
    found
        What is thought of every subject.
    least
        The part of the annotated entries that must be among the facet's own.
    held
        As in :func:`overlap`.

    Returns
    -------
    Standing or None
        That of the first name whose entries are among these, or that has none; else that of which the most
        are. A name alone says little where there are entries: an audit of more samples may number anew.
    """
    own = frozenset(entries)
    shares = {subject: overlap(own, one, held) for subject, one in found.items()}
    for subject in subjects:
        share = shares.get(subject)
        if subject in found and (share is None or share >= least):
            return found[subject]
    known = {subject: share for subject, share in shares.items() if share is not None and share >= least}
    best = max(known, key=lambda subject: (known[subject], subject), default=None)
    return None if best is None else found[best]


@dataclass
class _Course:
    """What happens to one subject, event after event."""

    said: dict[str, Event] = field(default_factory=dict)
    aside: dict[str, Event] = field(default_factory=dict)
    assignment: Event | None = None
    opening: Event | None = None

    def annotate(self, event: Event) -> None:
        self.aside.pop(event.who, None)
        self.said[event.who] = event

    def assign(self, event: Event) -> None:
        self.assignment = event

    def reopen(self, event: Event) -> None:
        self.aside |= self.said
        self.said = {}
        self.opening = event

    def standing(self, subject: str) -> Standing:
        said, aside = tuple(self.said.values()), tuple(self.aside.values())
        return Standing(subject, said, aside, self.assignment, self.opening)


_TAKES: Mapping[Kind, Callable[[_Course, Event], None]] = {
    "annotate": _Course.annotate,
    "assign": _Course.assign,
    "reopen": _Course.reopen,
}
