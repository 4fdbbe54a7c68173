"""Routes by which experts say something, and by which it is read back, checked and taken elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from foveal.errors import UsageError
from foveal.library.annotations import Event, changed
from foveal.library.opinions import Standing, in_force
from foveal_audit.explorer.exhibits import Exhibits

#: Bytes of an import at most.
_LARGEST = 50_000_000


class Saying(BaseModel):
    """What a reader sends; what is left out stays as the reader last said it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    who: str
    subject: str
    verdict: str | None = None
    name: str | None = None
    code: str | None = None
    confidence: float | None = None
    second_reader: str | None = None
    note: str | None = None


class Undoing(BaseModel):
    """Who takes back what: the event, or the reader's own last one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    who: str
    event: str = ""


def router(exhibits: Exhibits) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    @routes.post("/api/annotations")
    def say(said: Saying) -> dict[str, Any]:
        own = _own(exhibits, said)
        given = {
            name: getattr(said, name) for name in said.model_fields_set if name not in ("who", "subject")
        }
        event = exhibits.annotations.add(
            said.who, said.subject, **own | given | {"entries": exhibits.entries_of(said.subject)}
        )
        return {"event": event.id, "standing": told(exhibits.said().get(event.subject))}

    @routes.post("/api/undo")
    def undo(undoing: Undoing) -> dict[str, Any]:
        event = _to_undo(exhibits, undoing)
        exhibits.annotations.add(undoing.who, event.subject, "undo", undoes=event.id)
        return {"subject": event.subject, "standing": told(exhibits.said().get(event.subject))}

    @routes.get("/api/annotations")
    def standing(subject: str) -> dict[str, Any]:
        return {"standing": told(exhibits.said().get(subject))}

    @routes.get("/api/verify")
    def verify() -> dict[str, Any]:
        kept = exhibits.annotations
        return {"events": len(kept.events()), "problems": kept.verify(), "heads": kept.heads()}

    @routes.get("/annotations.json")
    def export() -> Response:
        return Response(
            exhibits.annotations.export(),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="annotations.json"'},
        )

    @routes.post("/api/import")
    async def read_in(request: Request) -> dict[str, int]:
        if int(request.headers.get("content-length") or 0) > _LARGEST:
            raise UsageError(
                "This import is too large", "Use `foveal library annotations NAME --import FILE`"
            )
        text = (await request.body()).decode("utf-8", "replace")
        return {"added": exhibits.annotations.read_in(text)}

    return routes


def told(one: Standing | None) -> dict[str, Any] | None:
    """Write what is thought of a subject for a page."""
    if one is None:
        return None
    return {
        "subject": one.subject,
        "verdict": one.verdict,
        "disagreement": one.disagreement,
        "name": one.name,
        "code": one.code,
        "assigned": one.assigned,
        "awaited": list(one.awaited),
        "opened": one.opened,
        "opinions": [_opinion(event) for event in one.opinions],
        "earlier": [_opinion(event) for event in one.earlier],
    }


def _opinion(event: Event) -> dict[str, Any]:
    names = ("who", "time", "verdict", "name", "code", "confidence", "second_reader", "note")
    return {name: getattr(event, name) for name in names}


def _own(exhibits: Exhibits, said: Saying) -> dict[str, Any]:
    known = exhibits.said().get(said.subject.strip())
    last = known.of(said.who.strip()) if known else None
    return changed(last) if last else {}


def _to_undo(exhibits: Exhibits, undoing: Undoing) -> Event:
    own = [event for event in in_force(exhibits.annotations.events()) if event.who == undoing.who.strip()]
    found = [event for event in own if not undoing.event or event.id == undoing.event]
    if not found:
        raise UsageError(
            f"{undoing.who[:40]!r} has said nothing that can be taken back",
            "Readers undo their own words only",
        )
    return found[-1]
