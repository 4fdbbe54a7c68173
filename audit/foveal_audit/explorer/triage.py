"""The queue of what experts should look at, the most pressing first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from foveal.library.opinions import Standing
from foveal_audit.audits import subjects
from foveal_audit.bundle.changes import Subject, titled
from foveal_audit.bundle.schema import Findings, GapFinding
from foveal_audit.explorer.comparing import changes

#: Verdicts of the audit in the order of the queue.
URGENCY = ("confirmed", "suspected", "undecidable", "genuine", "not_relied_on")


@dataclass(frozen=True)
class Case:
    """One line of the queue.

    Attributes
    ----------
    subject
        The facet or gap.
    title
        What it is in a few words.
    change
        ``new``, ``unchanged``, ``updated`` since the previous audit; empty where there is none.
    said
        What experts say, None where nobody has.
    since
        When the audit was made.
    """

    subject: Subject
    title: str
    change: str
    said: Standing | None
    since: datetime

    @property
    def is_gap(self) -> bool:
        """Whether it is a gap."""
        return isinstance(self.subject, GapFinding)

    @property
    def settled(self) -> bool:
        """Whether all who were asked have read it and agree, and the audit's verdict is the one they read."""
        said = self.said
        return said is not None and bool(said.verdict) and not said.awaited and not self.overtaken

    @property
    def overtaken(self) -> bool:
        """Whether all was said before the audit changed its verdict: it is to be read again."""
        if self.said is None or self.change != "updated" or not self.said.verdicts:
            return False
        return all(datetime.fromisoformat(one.time) < self.since for one in self.said.opinions)


def queue(findings: Findings, said: Mapping[str, Standing], before: Findings | None = None) -> list[Case]:
    """List every facet and gap: findings first, then what the audit could not decide, then the rest."""
    changed = changes(findings, before) if before else {}
    cases = [
        Case(one, titled(one), changed.get(one.id, ""), said.get(one.id), findings.created)
        for one in subjects(findings)
    ]
    return sorted(cases, key=_pressing)


def _pressing(case: Case) -> tuple[int, float, str]:
    one = case.subject
    weight = one.share_of_production if isinstance(one, GapFinding) else one.artefact_score
    return URGENCY.index(one.verdict), -weight, one.id
