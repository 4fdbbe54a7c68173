"""How a facet or gap went from audit to audit: its verdict, how common it is, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveal_audit.audits import Audit
from foveal_audit.bundle.changes import Subject, paired
from foveal_audit.bundle.schema import Assessment, Findings
from foveal_audit.explorer.comparing import commonness, strongest

#: So many audits are looked at, the newest.
MOST = 12


@dataclass(frozen=True)
class Stop:
    """One audit on the way.

    Attributes
    ----------
    audit
        Which one.
    one
        The facet or gap as it was there, None where that audit did not have it.
    production, training
        How common it was, see :func:`.comparing.commonness`.
    added
        The same among the production samples that came since the audit before, where that can be told.
    shown
        Entries that stand for it.
    """

    audit: Audit
    one: Subject | None
    production: float | None = None
    training: float | None = None
    added: float | None = None
    shown: Sequence[str] = ()


def course(one: Subject, shown: Audit, others: Sequence[Audit]) -> list[Stop]:
    """Follow a facet or gap of an audit through all of them, the oldest first.

    Parameters
    ----------
    one
        As the audit that is shown has it.
    shown, others
        The audits; of several with the same findings one is taken.
    """
    own = shown.findings
    stops: list[tuple[Audit, Findings, Subject | None]] = [(shown, own, one)]
    known = {shown.fingerprint}
    for other in others[:MOST]:
        if other.fingerprint not in known:
            known.add(other.fingerprint)
            stops.append((other, other.findings, _counterpart(one, own, other.findings)))
    stops.sort(key=lambda stop: stop[1].created)
    before = [None, *((findings, found) for _, findings, found in stops)]
    return [_stop(*stop, earlier) for stop, earlier in zip(stops, before, strict=False)]


def _counterpart(one: Subject, own: Findings, other: Findings) -> Subject | None:
    return next((then for then, now in paired(other, own) if now is not None and now.id == one.id), None)


def _stop(
    audit: Audit, findings: Findings, one: Subject | None, before: tuple[Findings, Subject | None] | None
) -> Stop:
    if one is None:
        return Stop(audit, None)
    return Stop(
        audit,
        one,
        commonness(one, findings, "production"),
        commonness(one, findings, "training"),
        None if before is None or before[1] is None else _added(findings, one, before[0], before[1]),
        strongest(one),
    )


def _added(findings: Findings, one: Subject, earlier: Findings, then: Subject) -> float | None:
    """Say how common a facet is among the samples that were added, where the library only grew."""
    if not (isinstance(one, Assessment) and isinstance(then, Assessment)):
        return None
    if findings.model.sha256 != earlier.model.sha256 or findings.library.run_id != earlier.library.run_id:
        return None
    samples, entries = (
        now.get("production", 0) - past.get("production", 0)
        for now, past in (
            (findings.library.samples, earlier.library.samples),
            (one.n_entries, then.n_entries),
        )
    )
    return entries / samples if samples > 0 and entries >= 0 else None
