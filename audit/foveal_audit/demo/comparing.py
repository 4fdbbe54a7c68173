"""Hold what an audit found against what was planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from foveal.records import Window
from foveal_audit.bundle.schema import Assessment, EntryRef, Findings
from foveal_audit.demo.study import DemoStudy, T, Words

_FLAGGED = ("confirmed", "suspected")
#: What training lacks is found where one gap holds so much of it, and no more than so much of other samples.
_MOST, _FEW = 0.6, 0.2


@dataclass(frozen=True)
class Comparison:
    """What was planted and what came of it.

    Attributes
    ----------
    marker, decoy, genuine
        Assessments of facets that show the marker, a harmless mark, and what belongs.
    marker_rank
        Place of the first marker facet in the ranking, from 1; None where no facet shows it.
    flagged
        Assessments flagged as artefacts.
    gap
        Id of the gap finding that holds most samples of the kind that training lacks.
    gap_covers, gap_others
        Share of those samples in it, and share of its samples that are something else.
    """

    marker: list[Assessment]
    decoy: list[Assessment]
    genuine: list[Assessment]
    marker_rank: int | None
    flagged: list[Assessment]
    gap: str | None
    gap_covers: float
    gap_others: float

    @property
    def marker_found(self) -> bool:
        """Whether a marker facet ranks first and is flagged."""
        return self.marker_rank == 1 and self.marker[0].verdict in _FLAGGED

    @property
    def false_alarms(self) -> list[Assessment]:
        """Flagged assessments that do not show the marker."""
        return [one for one in self.flagged if one not in self.marker]


def compare(findings: Findings, truth: Mapping[str, T], study: DemoStudy[T]) -> Comparison:
    """Compare findings with the truth of a study.

    Parameters
    ----------
    findings
        What the audit concluded; its assessments are ranked.
    truth
        Every sample by the name it has in the findings (path or request id).
    study
        What windows can show.
    """
    ranked = findings.assessments
    shows = {one.id: _content(one, truth, study) for one in ranked}
    marker = [one for one in ranked if shows[one.id] == "marker"]
    rank = next((place for place, one in enumerate(ranked, start=1) if shows[one.id] == "marker"), None)
    lacking = {name for name, one in truth.items() if study.planted(one).unknown}
    gap, covers, others = _best_gap(findings, lacking)
    return Comparison(
        marker=marker,
        decoy=[one for one in ranked if shows[one.id] == "decoy"],
        genuine=[one for one in ranked if shows[one.id] == "genuine"],
        marker_rank=rank,
        flagged=[one for one in ranked if one.verdict in _FLAGGED],
        gap=gap,
        gap_covers=covers,
        gap_others=others,
    )


def _content(assessment: Assessment, truth: Mapping[str, T], study: DemoStudy[T]) -> str:
    """Say what most entries of a facet show."""
    known = [entry for entry in assessment.entries if entry.sample in truth]
    for name, shows in study.shows.items():
        if known and sum(shows(entry, truth[entry.sample]) for entry in known) > len(known) / 2:
            return name
    return "other"


def lies_on(window: Window, mark: Window | None) -> bool:
    """Tell whether a window and a mark share, along every axis, at least half of the shorter of the two."""
    if mark is None:
        return False
    axes = len(mark) // 2
    low, high = np.maximum(window[:axes], mark[:axes]), np.minimum(window[axes:], mark[axes:])
    shorter = np.minimum(*(np.subtract(box[axes:], box[:axes]) for box in (window, mark)))
    return bool((2 * (high - low) >= shorter).all())


class _Marked(Protocol):
    @property
    def mark(self) -> Window | None: ...


#: What windows show in studies whose samples say where their mark is.
BY_PLACE: dict[str, Callable[[EntryRef, _Marked], bool]] = {
    "marker": lambda entry, one: lies_on(tuple(entry.window), one.mark),
    "genuine": lambda entry, one: not lies_on(tuple(entry.window), one.mark),
}


def _best_gap(findings: Findings, lacking: set[str]) -> tuple[str | None, float, float]:
    best: tuple[str | None, float, float] = (None, 0.0, 0.0)
    for gap in findings.gaps:
        members = set(gap.samples)
        hits = len(members & lacking)
        if lacking and hits / len(lacking) > best[1]:
            best = (gap.id, hits / len(lacking), 1 - hits / len(members))
    return best


def table(comparison: Comparison, study: str, words: Words) -> list[tuple[str, str]]:
    """Put planted and found side by side, a row each."""
    marker = comparison.marker[0] if comparison.marker else None
    found = (
        f"{marker.verdict}, rank {comparison.marker_rank}, score {marker.artefact_score:.2f}"
        f" ({marker.feature})"
        if marker
        else "no facet shows it"
    )
    gap = (
        f"gap {comparison.gap}: {comparison.gap_covers:.0%} of them, {comparison.gap_others:.0%} others"
        if comparison.gap
        else "no gap finding"
    )
    harmless = [(words.harmless, _verdicts(comparison.decoy))] if words.harmless else []
    return [
        (words.mark[study], found),
        *harmless,
        (words.genuine, _verdicts(comparison.genuine)),
        (words.lacking, gap),
        ("false alarms", ", ".join(one.feature for one in comparison.false_alarms) or "none"),
    ]


def _verdicts(assessments: Sequence[Assessment]) -> str:
    if not assessments:
        return "no facet shows them"
    flagged = [one.feature for one in assessments if one.verdict in _FLAGGED]
    return f"FLAGGED: {', '.join(flagged)}" if flagged else f"not flagged ({len(assessments)} facets)"


def said(comparison: Comparison, study: str, words: Words) -> str:
    """Say in a sentence each what was found and what was missed; nothing where the words say nothing."""
    if not words.short:
        return ""
    mark, lack = words.short
    planted = _OF_THE_MARK[study](comparison)
    return f"{mark[0].upper()}{mark[1:]}: {planted}. {lack[0].upper()}{lack[1:]}: {_of_the_lack(comparison)}."


def _informative(comparison: Comparison) -> str:
    flagged = [one.feature for one in comparison.marker if one.verdict in _FLAGGED]
    if comparison.marker_found:
        return "found"
    if flagged:
        return f"found in part ({flagged[0]} is flagged, but something else ranks first)"
    seen = f"seen, called {comparison.marker[0].verdict}" if comparison.marker else "not seen"
    return f"MISSED ({seen})"


def _uninformative(comparison: Comparison) -> str:
    flagged = [one.feature for one in comparison.marker if one.verdict in _FLAGGED]
    return f"FLAGGED although it tells nothing ({', '.join(flagged)})" if flagged else "not flagged, rightly"


_OF_THE_MARK: dict[str, Callable[[Comparison], str]] = {"standard": _informative, "null": _uninformative}


def _of_the_lack(comparison: Comparison) -> str:
    if comparison.gap is None:
        return "MISSED"
    if comparison.gap_covers >= _MOST and comparison.gap_others <= _FEW:
        return "found"
    shares = f"{comparison.gap_covers:.0%} of them, {comparison.gap_others:.0%} of the group others"
    return f"found in part ({shares})"
