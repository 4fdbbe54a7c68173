"""What changed since the last audit, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foveal.records import SOURCES, Source
from foveal_audit.bundle.changes import MOVED
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.since import Before, Change, Since
from foveal_audit.bundle.summary import Verdict
from foveal_audit.report import wording

#: Kinds of changes; of a facet or gap that has another verdict both are shown.
KINDS: Mapping[str, str] = {
    "new": "new",
    "gone": "no longer found",
    "verdict": "judged otherwise",
    "scores": "scores moved",
}
SCORES: Mapping[str, str] = {
    "artefact_score": "artefact score",
    "reliance": "reliance",
    "irrelevance": "irrelevance",
    "share_of_production": "share of production",
}
#: What is counted of facets and gaps, and how that reads behind the count; 0 is not said.
_COUNTED: Mapping[str, str] = {
    "came": "newly call for action",
    "went": "no longer do",
    "verdict": "judged otherwise without that",
    "scores": "with the same verdict and other scores",
    "listed": "came or went without ever calling for action",
    "unchanged": "unchanged",
}
_FINDINGS = ("confirmed", "suspected")


@dataclass(frozen=True)
class Row:
    """One thing that both audits were about."""

    part: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        """Whether it did not change."""
        return self.then == self.now


@dataclass(frozen=True)
class SinceView:
    """What the templates say about the last audit.

    Attributes
    ----------
    told
        As recorded; ``None`` for the first audit of a chain.
    line
        All of it in a sentence or two.
    rows
        What both audits were about.
    """

    told: Since | None
    line: str
    rows: Sequence[Row]
    kinds = KINDS
    scores = SCORES
    moved = MOVED

    def verdict(self, change: Change, verdict: Verdict | None) -> str:
        """Name a verdict then or now."""
        if verdict is None:
            return "\u2013"
        return wording.VERDICTS[verdict].name if change.kind == "facet" else verdict.capitalize()


def since_view(findings: Findings) -> SinceView:
    """Say what changed since the audit before."""
    told = findings.since
    if told is None:
        return SinceView(None, "", ())
    if told.before is None:
        line = "An earlier audit was given, but its findings cannot be read; what changed is not known."
        return SinceView(told, line, ())
    return SinceView(told, _line(told, told.before), _rows(told.before, findings))


def _line(told: Since, before: Before) -> str:
    """Count findings that came and went, verdicts that changed, and scores that moved."""
    kinds = Counter(_counted(change) for change in told.changes)
    counts = {**kinds, "unchanged": told.unchanged}
    parts = [f"{counts[kind]:,} {words}" for kind, words in _COUNTED.items() if counts.get(kind)]
    when = f"{before.created:%Y-%m-%d %H:%M %Z}"
    return f"Since the audit of {when}: {', '.join(parts) or 'nothing to compare'}."


def _counted(change: Change) -> str:
    """Sort a change by whether it made or ended something to act on."""
    then, now = (_is_finding(change, verdict) for verdict in (change.then, change.now))
    if then != now:
        return "came" if now else "went"
    return "listed" if change.what in ("new", "gone") else change.what


def _is_finding(change: Change, verdict: Verdict | None) -> bool:
    return verdict in _FINDINGS or (change.kind == "gap" and verdict is not None)


def _rows(before: Before, now: Findings) -> list[Row]:
    model, library = now.model, now.library
    return [
        Row("Model", before.model, model.name),
        Row("Model, from", before.model_uri, model.uri),
        Row("Model, sha256", before.model_sha256, model.sha256),
        Row("Library", before.library, library.name),
        Row("Samples", _sizes(before.samples), _sizes(library.samples)),
        Row("Entries", _sizes(before.entries), _sizes(library.entries)),
        Row("Settings and thresholds, sha256", before.config_sha256, now.config.sha256),
        Row("Environment, sha256", before.environment_sha256, now.environment.sha256),
        Row("Findings, fingerprint", before.fingerprint, now.fingerprint),
    ]


def _sizes(counts: Mapping[Source, int]) -> str:
    return ", ".join(f"{counts[name]:,} {name}" for name in SOURCES if name in counts) or "none"
