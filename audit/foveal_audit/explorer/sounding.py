"""What a sample sounds like where the model responded to it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Response

from foveal.errors import UsageError
from foveal.samples.kinds import KINDS, Kind
from foveal_audit.bench import Spaced, is_unchanged
from foveal_audit.explorer.deciding import Decision, decisions
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.hearing_samples import sounds_of

#: Files that say nothing of how fast what they hold is.
_SILENT = frozenset({".npy"})


def is_heard(decision: Decision) -> bool:
    """Say whether a decision was made on a sound whose file may still be there."""
    return _kind(decision.sample.get("origin") or "") is not None


def router(exhibits: Exhibits) -> APIRouter:
    """Make the route of a window's sounds: alone, and with what is around it."""
    routes = APIRouter()

    @routes.get("/sound")
    def sound(request: str, entry: str, part: int = 0) -> Response:
        with exhibits.reading() as library:
            found = decisions(library, request)
        heard = [one for decision in found for one in _sounds(decision, entry)]
        if not 0 <= part < len(heard):
            raise UsageError(
                f"There is nothing to hear of {request[:60]!r}", "Ask for a sound whose file is there"
            )
        return Response(heard[part], media_type="audio/wav", headers={"Cache-Control": "private"})

    return routes


def _kind(origin: str) -> Kind | None:
    """Give the kind of samples that can be heard and whose files are called like this one."""
    for kind in KINDS.values():
        if kind.sound is not None and origin.lower().endswith(tuple(kind.suffixes - _SILENT)):
            return kind
    return None


def _sounds(decision: Decision, entry: str) -> list[bytes]:
    origin = str(decision.sample.get("origin") or "")
    windows = [row["window"] for row in decision.entries if row["id"] == entry]
    kind = _kind(origin)
    if kind is None or kind.sound is None or not windows:
        return []
    if not is_unchanged(origin, str(decision.sample["sample_sha256"])):
        return []
    decoded = kind.decode(kind.read(Path(origin)), origin)
    return sounds_of(Spaced.of(decoded.values, decoded.spacing), windows[0], kind.sound)
