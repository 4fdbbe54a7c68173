"""What the list of a facet's entries holds: how many, which belong to a gap, and those of training first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foveal.samples.places import hertz
from foveal_audit.bundle.evidence import FacetEvidence
from foveal_audit.bundle.schema import Assessment, EntryRef, GapFinding
from foveal_audit.bundle.summary import plural
from foveal_audit.report import wording
from foveal_audit.report.details import cut
from foveal_audit.report.sections import NUMBERS

#: A smaller part of the entries is as many as any facet has.
_TELLING = 0.1


def training_first(evidence: FacetEvidence) -> FacetEvidence:
    """Show the crops that training holds first; what has no known samples keeps its order."""
    count = len(evidence.crops)
    if len(evidence.refs) != count or len(evidence.maps) not in (0, count):
        return evidence
    order = sorted(range(count), key=lambda row: evidence.refs[row].source != "training")
    return replace(
        evidence,
        crops=[evidence.crops[row] for row in order],
        maps=[evidence.maps[row] for row in order if evidence.maps],
        refs=[evidence.refs[row] for row in order],
    )


def chosen(assessment: Assessment) -> str:
    """Say that the list of entries is a choice, where it is one."""
    if not cut(assessment):
        return ""
    if not assessment.entries:
        return "None of them is listed."
    return f"A random {len(assessment.entries):,} of {sum(assessment.n_entries.values()):,} are listed."


def measures(evidence: FacetEvidence, in_full: bool) -> list[str]:
    """Say how large the crops are and at which frequencies their evidence lies, as far as it is known."""
    large = wording.sides(evidence.refs)
    said = [f"A crop is {large}."] if large and in_full else []
    if evidence.band:
        said.append(f"At least half of the entries have evidence at {hertz(evidence.band)}.")
    return said


def in_gaps(assessment: Assessment, shown: Sequence[EntryRef], gaps: Sequence[GapFinding]) -> list[str]:
    """Say how much of a facet belongs to a gap, where a crop shown or more than a tenth of it does."""
    said = []
    for number, gap in enumerate(gaps, start=1):
        members = set(gap.samples)
        own, seen = (
            sum(one.source == "production" and one.sample in members for one in refs)
            for refs in (assessment.entries, shown)
        )
        if seen or own > _TELLING * len(assessment.entries):
            listed = plural(len(assessment.entries), "listed entry", "listed entries")
            crops = plural(len(shown), "crop")
            said.append(
                f"{own:,} of its {listed} and {seen} of the {crops} shown belong to "
                f"{gap.id} (section {NUMBERS['gaps']}.{number})."
            )
    return said
