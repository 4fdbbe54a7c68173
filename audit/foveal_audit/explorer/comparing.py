"""Two audits side by side: what is new, gone or judged otherwise, how common it is, and what experts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foveal.library.opinions import Standing
from foveal.records import Source
from foveal_audit.bundle.changes import Subject, paired, titled
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding

#: Entries of a facet that stand for it in a strip.
SHOWN = 5
_ORDER = ("new", "gone", "updated", "unchanged")


@dataclass(frozen=True)
class Line:
    """One facet or gap in two audits.

    Attributes
    ----------
    one
        What it is now, else what it was.
    then, now
        What each audit says, None where it does not have it.
    commonness_then, commonness_now
        See :func:`commonness`.
    said
        What experts say of it, by the name that the later audit gives it.
    """

    one: Subject
    then: Subject | None
    now: Subject | None
    commonness_then: float | None
    commonness_now: float | None
    said: Standing | None

    @property
    def title(self) -> str:
        """What it is in a few words."""
        return titled(self.one)

    @property
    def change(self) -> str:
        """What became of it: new, gone, unchanged or updated."""
        return state(self.then.verdict if self.then else "", self.now.verdict if self.now else "")

    @property
    def shown(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Entries that stand for it, of each audit."""
        return [(when, strongest(one)) for when, one in (("then", self.then), ("now", self.now)) if one]


def lines(now: Findings, before: Findings, said: Mapping[str, Standing]) -> list[Line]:
    """Compare two audits, what changed first.

    Parameters
    ----------
    said
        What experts say, by the names of ``now``.
    """
    made = [
        Line(
            one,
            then,
            since,
            None if then is None else commonness(then, before, "production"),
            None if since is None else commonness(since, now, "production"),
            said.get(one.id),
        )
        for then, since in paired(before, now)
        if (one := since or then) is not None
    ]
    return sorted(made, key=lambda line: (_ORDER.index(line.change), -_weight(line.one), line.one.id))


def changes(now: Findings, before: Findings) -> dict[str, str]:
    """Say of each facet and gap of an audit what became of it since the one before."""
    return {line.now.id: line.change for line in lines(now, before, {}) if line.now}


def state(then: str, now: str) -> str:
    """Name the change of a verdict: new, gone, unchanged or updated."""
    if not then:
        return "new"
    if not now:
        return "gone"
    return "unchanged" if then == now else "updated"


def commonness(one: Subject, findings: Findings, source: Source) -> float | None:
    """Say how common something is in a source: a facet's entries per sample, a gap's share of samples.

    Returns
    -------
    float or None
        None where the source has no samples, or the question has no meaning.
    """
    if isinstance(one, GapFinding):
        return one.share_of_production if source == "production" else None
    samples = findings.library.samples.get(source, 0)
    return one.n_entries.get(source, 0) / samples if samples else None


def strongest(one: Subject) -> list[str]:
    """Name the entries that show a facet best, one per sample; none of a gap."""
    refs = sorted(one.entries, key=lambda ref: -ref.activation) if isinstance(one, Assessment) else []
    firsts = {ref.sample: ref.id for ref in reversed(refs) if ref.id}
    return list(firsts.values())[::-1][:SHOWN]


def _weight(one: Subject) -> float:
    return one.share_of_production if isinstance(one, GapFinding) else one.artefact_score
