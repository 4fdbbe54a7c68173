"""Routes by which readers share out the work: several findings at once, to whom, and open again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from foveal.errors import UsageError
from foveal.library.annotations import changed
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.saying import told

#: Findings that are decided at once at most.
MOST = 500
_NAMED = 40


class _Several(BaseModel):
    """Who says something about which findings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    who: str
    subjects: Annotated[list[str], Field(min_length=1, max_length=MOST)]


class Deciding(_Several):
    """One verdict on all of them; what a reader said of each beside the verdict stays."""

    verdict: str
    note: str | None = None


class Assigning(_Several):
    """Who is to read them; nobody where it is empty."""

    reader: str


class Reopening(_Several):
    """Why they are to be read again."""

    note: str = ""


class Undoing(BaseModel):
    """Events of a reader's own to take back, together."""

    model_config = ConfigDict(extra="forbid", strict=True)

    who: str
    events: Annotated[list[str], Field(min_length=1, max_length=MOST)]


def router(exhibits: Exhibits) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    @routes.post("/api/decide")
    def decide(asked: Deciding) -> dict[str, Any]:
        known = exhibits.said()
        given = {"verdict": asked.verdict} | ({} if asked.note is None else {"note": asked.note})
        sayings = []
        for subject in _subjects(exhibits, asked):
            last = known[subject].of(asked.who.strip()) if subject in known else None
            own = changed(last) if last else {}
            sayings.append({**own, **given, "subject": subject, "entries": exhibits.entries_of(subject)})
        return _kept(exhibits, asked.who, sayings)

    @routes.post("/api/assign")
    def assign(asked: Assigning) -> dict[str, Any]:
        told = {"kind": "assign", "second_reader": asked.reader}
        return _kept(exhibits, asked.who, [{**told, "subject": one} for one in _subjects(exhibits, asked)])

    @routes.post("/api/reopen")
    def reopen(asked: Reopening) -> dict[str, Any]:
        told = {"kind": "reopen", "note": asked.note}
        known = exhibits.said()
        closed = [one for one in _subjects(exhibits, asked) if one in known and known[one].verdicts]
        if not closed:
            raise UsageError("None of these has a verdict", "What has none is open already")
        return _kept(exhibits, asked.who, [{**told, "subject": one} for one in closed])

    @routes.post("/api/undo-all")
    def undo_all(asked: Undoing) -> dict[str, Any]:
        events = {one.id: one for one in exhibits.annotations.events() if one.who == asked.who.strip()}
        missing = [id_ for id_ in asked.events if id_ not in events]
        if missing:
            raise UsageError(
                f"{asked.who[:_NAMED]!r} has not said {missing[0][:12]!r}", "Undo your own words"
            )
        sayings = [
            {"kind": "undo", "subject": events[id_].subject, "undoes": id_} for id_ in reversed(asked.events)
        ]
        return _kept(exhibits, asked.who, sayings)

    return routes


def _subjects(exhibits: Exhibits, asked: _Several) -> list[str]:
    """Insist on findings of the audit that is shown: a slip in one of many would not be seen."""
    named = list(dict.fromkeys(one.strip() for one in asked.subjects))
    for subject in named:
        if exhibits.finding(subject) is None:
            raise UsageError(f"There is no finding {subject[:_NAMED]!r}", "Nothing was kept; choose again")
    return named


def _kept(exhibits: Exhibits, who: str, sayings: list[dict[str, Any]]) -> dict[str, Any]:
    made = exhibits.annotations.add_all([{**one, "who": who} for one in sayings])
    known = exhibits.said()
    subjects = dict.fromkeys(event.subject for event in made)
    return {
        "events": [event.id for event in made],
        "standings": {subject: told(known.get(subject)) for subject in subjects},
    }
