"""Reading what experts said by the names of one audit: earlier audits may have given others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from foveal.library.annotations import Event
from foveal.library.opinions import Standing, standings
from foveal_audit.bundle.schema import Findings


def recalled(events: Sequence[Event], findings: Findings | None) -> dict[str, Standing]:
    """Say what is thought of every subject, by the names that an audit gives them.

    Parameters
    ----------
    events
        As :meth:`foveal.library.annotations.Annotations.events` gives them.
    findings
        The audit, which wrote down what it knew again. Words that are younger than it use its names.
    """
    return standings(events if findings is None else [_renamed(event, findings) for event in events])


def _renamed(event: Event, findings: Findings) -> Event:
    name = _names(findings).get(event.subject, event.subject)
    if name == event.subject or datetime.fromisoformat(event.time) > findings.created:
        return event
    return replace(event, subject=name)


def _names(findings: Findings) -> Mapping[str, str]:
    """Give the present name of what was annotated under another one."""
    own = {*(one.id for one in findings.assessments), *(one.id for one in findings.gaps)}
    return {
        said.subject: said.about or f"{said.subject} of an earlier audit"
        for said in findings.experts.said
        if said.about != said.subject and (said.about or said.subject in own)
    }
