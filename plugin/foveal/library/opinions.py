"""What all events together say: what each reader thinks of each subject now, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foveal.library.annotations import Event


@dataclass(frozen=True)
class Standing:
    """What is thought of one subject.

    Attributes
    ----------
    subject
        The finding or feature.
    opinions
        The last word of each reader, who spoke first comes first.
    """

    subject: str
    opinions: tuple[Event, ...]

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
        return frozenset(id_ for one in self.opinions for id_ in one.entries)

    @property
    def awaited(self) -> tuple[str, ...]:
        """Readers who were asked and have given no verdict, sorted."""
        read = {one.who for one in self.opinions if one.verdict}
        return tuple(sorted({one.second_reader for one in self.opinions if one.second_reader} - read))

    def of(self, who: str) -> Event | None:
        """Give a reader's last word."""
        return next((one for one in self.opinions if one.who == who), None)

    def _last(self, what: str) -> str:
        said = [(one.time, getattr(one, what)) for one in self.opinions if getattr(one, what)]
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
    words: dict[str, dict[str, Event]] = {}
    for event in in_force(events):
        words.setdefault(event.subject, {})[event.who] = event
    return {subject: Standing(subject, tuple(said.values())) for subject, said in words.items()}


def known_again(
    entries: Iterable[str], subjects: Iterable[str], found: Mapping[str, Standing], overlap: float = 0.5
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
    overlap
        The part of the annotated entries that must be among the facet's own.

    Returns
    -------
    Standing or None
        That of the first name, else that of which the most entries are among these.
    """
    own = frozenset(entries)
    for subject in subjects:
        if subject in found:
            return found[subject]
    shares = {
        subject: len(own & one.entries) / len(one.entries) for subject, one in found.items() if one.entries
    }
    best = max(shares, key=lambda subject: (shares[subject], subject), default=None)
    return found[best] if best is not None and shares[best] >= overlap else None
