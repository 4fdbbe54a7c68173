"""Hearing experts: what they said about a library, written down beside the verdicts; it never changes one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal import Library
from foveal.errors import UsageError
from foveal.library.annotations import Annotations, Event
from foveal.library.opinions import Standing, known_again, overlap, standings
from foveal_audit.audits import logged
from foveal_audit.bundle.experts import Experts, Known, Opinion, Said
from foveal_audit.bundle.schema import Assessment, EntryRef, GapFinding
from foveal_audit.gaps.finding import Gap
from foveal_audit.judgement.facet import Facet
from foveal_audit.windows import Evidence, Windows

#: Two windows lie in the same place where they share so much of what both cover.
_SAME_PLACE = 0.3
#: Earlier audits that are looked into for entries that are gone.
_LOOKED_INTO = 5
#: Names of facets and gaps; other subjects are features.
_FACET, _GAP = re.compile(r"A-[0-9a-f]{8}"), re.compile(r"G-[0-9a-f]{8}")


@dataclass(frozen=True)
class Audience:
    """What an audit speaks of, as far as experts may have spoken of it too.

    Attributes
    ----------
    assessments, facets
        In the same order.
    gaps
        As stated and as found.
    evidence
        All that was read of the library.
    """

    assessments: Sequence[Assessment]
    facets: Sequence[Facet]
    gaps: Sequence[tuple[GapFinding, Gap]]
    evidence: Evidence

    def subjects(self, named: frozenset[str]) -> dict[str, frozenset[str]]:
        """Give facets, gaps and features by name, with those of the named entries that are theirs."""
        told: dict[str, frozenset[str]] = {}
        for one, facet in zip(self.assessments, self.facets, strict=True):
            told[one.id] = _among(facet.windows.ids, named)
            told[one.feature] = told.get(one.feature, frozenset()) | told[one.id]
        windows = self.evidence.contribution
        for stated, gap in self.gaps:  # a gap's id follows from its samples, which are others each time
            own = np.isin(windows.owner, np.asarray(gap.members, dtype=np.int64))
            told[stated.id] = _among(windows.ids[own], named)
        return told

    def held(self, library: Library, named: frozenset[str]) -> dict[str, frozenset[str]]:
        """Give of each named entry that there still is the ids that this audit knows it by.

        What another model responded to has other ids, and is known by its place: the same part of the same
        sample.
        """
        windows = [self.evidence.of(feature) for feature in self.evidence.counts]
        own = frozenset().union(*(_among(each.ids, named) for each in windows))
        held = {id_: frozenset({id_}) for id_ in own}
        for ref in _listed(library, named - own):
            positions = self._positions(ref)
            if ref.id and len(positions):
                held[ref.id] = frozenset().union(*(_placed(each, positions, ref.window) for each in windows))
        return held

    def _positions(self, ref: EntryRef) -> NDArray[np.int64]:
        samples = self.evidence.samples
        return np.flatnonzero((samples.names == ref.sample) & (samples.sources == ref.source))


def hear(library: Library, audience: Audience) -> Experts:
    """Read what experts said, and find out what it is about now.

    Parameters
    ----------
    library
        The library that is audited.
    audience
        What the audit speaks of.

    Raises
    ------
    EnvironmentFault
        If MLflow cannot be reached.
    """
    kept = Annotations(library.tracking)
    events, problems = kept.events(), kept.verify()
    found = standings(events)
    pairs = _recognised(library, found, audience) if found else {}
    said = [_said(one, *pairs.get(subject, ("", ""))) for subject, one in found.items()]
    said.sort(key=lambda one: (not one.about, one.about, one.subject))
    return Experts(events=len(events), heads=kept.heads(), problems=problems, said=said)


def _among(ids: NDArray[np.str_], named: frozenset[str]) -> frozenset[str]:
    return named & frozenset(map(str, ids))


def _listed(library: Library, missing: frozenset[str]) -> Iterator[EntryRef]:
    """Look up entries that the library has no more: earlier audits of it name some of each facet."""
    for past in logged(library)[:_LOOKED_INTO] if missing else ():
        with suppress(UsageError):  # a bundle that cannot be read tells nothing
            listed = (ref for one in past.findings.assessments for ref in one.entries)
            found = {ref.id: ref for ref in listed if ref.id in missing}
            yield from found.values()
            missing -= found.keys()


def _placed(windows: Windows, positions: NDArray[np.int64], window: Sequence[int]) -> frozenset[str]:
    """Name the windows of a sample that lie in a place."""
    if len(window) != windows.boxes.shape[1]:
        return frozenset()
    near = np.flatnonzero(np.isin(windows.owner, positions))
    boxes, box = windows.boxes[near], np.array(window)
    axes = len(box) // 2
    sides = np.minimum(boxes[:, axes:], box[axes:]) - np.maximum(boxes[:, :axes], box[:axes])
    both = np.clip(sides, 0, None).prod(axis=1)
    sizes = (boxes[:, axes:] - boxes[:, :axes]).prod(axis=1) + (box[axes:] - box[:axes]).prod()
    return frozenset(map(str, windows.ids[near[both >= _SAME_PLACE * (sizes - both)]]))


def _recognised(
    library: Library, found: Mapping[str, Standing], audience: Audience
) -> dict[str, tuple[str, Known]]:
    """Say for each annotated subject what it is now: what has its name, else what has its entries."""
    named = frozenset(id_ for one in found.values() for id_ in one.entries)
    held = audience.held(library, named)
    subjects = audience.subjects(frozenset().union(*held.values()))
    pairs: dict[str, tuple[str, Known]] = {}
    for subject, one in found.items():
        alike = {name: own for name, own in subjects.items() if _kind(name) == _kind(subject)}
        if subject in alike and known_again(alike[subject], [subject], {subject: one}, held=held):
            pairs[subject] = (subject, "name")
            continue
        best = max(alike, key=lambda name: (overlap(alike[name], one, held) or 0, name), default="")
        if best and known_again(alike[best], [], {subject: one}, held=held):
            pairs[subject] = (best, _how(one, held))
    return pairs


def _how(one: Standing, held: Mapping[str, frozenset[str]]) -> Known:
    return "entries" if any(id_ in held.get(id_, ()) for id_ in one.entries) else "places"


def _kind(name: str) -> str:
    return "facet" if _FACET.fullmatch(name) else "gap" if _GAP.fullmatch(name) else "feature"


def _said(one: Standing, about: str, known: Known) -> Said:
    return Said(
        subject=one.subject,
        about=about,
        known=known,
        verdict=one.verdict,  # type: ignore[arg-type]  # of events, which have no other
        disagreement=one.disagreement,
        name=one.name,
        code=one.code,
        assigned=one.assigned,
        awaited=list(one.awaited),
        opened=one.opened,
        opinions=[
            *(_opinion(event, aside=False) for event in one.opinions),
            *(_opinion(event, aside=True) for event in one.earlier),
        ],
    )


def _opinion(event: Event, *, aside: bool) -> Opinion:
    return Opinion(
        event=event.id,
        time=event.time,
        who=event.who,
        verdict=event.verdict,
        name=event.name,
        code=event.code,
        confidence=event.confidence,
        second_reader=event.second_reader,
        note=event.note,
        aside=aside,
    )
