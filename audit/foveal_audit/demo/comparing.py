"""Hold what an audit found against what was planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from foveal_audit.bundle.schema import Assessment, EntryRef, Findings
from foveal_audit.studies.marks import DECOY_BOX, MARKER_BOX
from foveal_audit.studies.nodules import Nodule

_FLAGGED = ("confirmed", "suspected")
_REACH = 16  # pixels between the middle of a window and what it shows


@dataclass(frozen=True)
class Comparison:
    """What was planted and what came of it.

    Attributes
    ----------
    marker, decoy, genuine
        Assessments of facets that show the marker, the harmless mark, and real nodules.
    marker_rank
        Place of the first marker facet in the ranking, from 1; None where no facet shows it.
    flagged
        Assessments flagged as artefacts.
    gap
        Id of the gap finding that holds most calcified samples.
    gap_covers, gap_others
        Share of the calcified samples in it, and share of its samples that are something else.
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


def compare(findings: Findings, truth: Mapping[str, Nodule]) -> Comparison:
    """Compare findings with the truth of a study.

    Parameters
    ----------
    findings
        What the audit concluded; its assessments are ranked.
    truth
        Every sample's truth by the name it has in the findings (path or request id).
    """
    ranked = findings.assessments
    shows = {one.id: _content(one, truth) for one in ranked}
    marker = [one for one in ranked if shows[one.id] == "marker"]
    rank = next((place for place, one in enumerate(ranked, start=1) if shows[one.id] == "marker"), None)
    gap, covers, others = _best_gap(findings, truth)
    return Comparison(
        marker=marker,
        decoy=[one for one in ranked if shows[one.id] == "decoy"],
        genuine=[one for one in ranked if shows[one.id] == "nodule"],
        marker_rank=rank,
        flagged=[one for one in ranked if one.verdict in _FLAGGED],
        gap=gap,
        gap_covers=covers,
        gap_others=others,
    )


def _content(assessment: Assessment, truth: Mapping[str, Nodule]) -> str:
    """Say what most entries of a facet show."""
    known = [entry for entry in assessment.entries if entry.sample in truth]
    for name, shows in _CONTENTS.items():
        if known and sum(shows(entry, truth[entry.sample]) for entry in known) > len(known) / 2:
            return name
    return "other"


def _near(entry: EntryRef, y: float, x: float) -> bool:
    y0, x0, y1, x1 = entry.window
    return abs((y0 + y1) / 2 - y) < _REACH and abs((x0 + x1) / 2 - x) < _REACH


def _middle(box: Sequence[int]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


_CONTENTS: dict[str, Callable[[EntryRef, Nodule], bool]] = {
    "marker": lambda entry, one: one.site == "B" and _near(entry, *_middle(MARKER_BOX)),
    "decoy": lambda entry, one: one.site == "C" and _near(entry, *_middle(DECOY_BOX)),
    "nodule": lambda entry, one: one.centre is not None and _near(entry, *one.centre),
}


def _best_gap(findings: Findings, truth: Mapping[str, Nodule]) -> tuple[str | None, float, float]:
    calcified = {name for name, one in truth.items() if one.calcified}
    best: tuple[str | None, float, float] = (None, 0.0, 0.0)
    for gap in findings.gaps:
        members = set(gap.samples)
        hits = len(members & calcified)
        if calcified and hits / len(calcified) > best[1]:
            best = (gap.id, hits / len(calcified), 1 - hits / len(members))
    return best


def table(comparison: Comparison, study: str) -> list[tuple[str, str]]:
    """Put planted and found side by side, a row each."""
    marker = comparison.marker[0] if comparison.marker else None
    found = (
        f"{marker.verdict}, rank {comparison.marker_rank}, score {marker.artefact_score:.2f}"
        f" ({marker.feature})"
        if marker
        else "no facet shows it"
    )
    planted = (
        "marker + ruler at site B, goes with 'spiculated'"
        if study == "standard"
        else "marker at site B, tells nothing"
    )
    gap = (
        f"gap {comparison.gap}: {comparison.gap_covers:.0%} of them, {comparison.gap_others:.0%} others"
        if comparison.gap
        else "no gap finding"
    )
    return [
        (planted, found),
        ("harmless mark at site C", _verdicts(comparison.decoy)),
        ("genuine nodules", _verdicts(comparison.genuine)),
        ("calcified nodules, in production only", gap),
        ("false alarms", ", ".join(one.feature for one in comparison.false_alarms) or "none"),
    ]


def _verdicts(assessments: Sequence[Assessment]) -> str:
    if not assessments:
        return "no facet shows them"
    flagged = [one.feature for one in assessments if one.verdict in _FLAGGED]
    return f"FLAGGED: {', '.join(flagged)}" if flagged else f"not flagged ({len(assessments)} facets)"
