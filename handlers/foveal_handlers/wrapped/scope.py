"""Which request a forward belongs to, though nobody tells the network.

A context variable follows the request through its call and its coroutines. Threads of the handler's own do
not inherit it; their forwards belong to the only request under way, and to none where there are several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from foveal.capture import Forward
from foveal_handlers.requests import Origin
from foveal_handlers.wrapped.discovery import NOT_RUN, Obstacle
from foveal_handlers.wrapped.matching import match
from foveal_handlers.wrapped.routes import Routes, is_explaining


@dataclass(eq=False)
class Scope:
    """One batch on its way through the handler.

    Attributes
    ----------
    context
        TorchServe's, for headers in both directions.
    rows
        The batch as the handler was given it, each row safe from the handler's own changes.
    request_ids
        The requests of the batch.
    origins
        Which request each row belongs to; empty where nobody tells.
    chosen
        Which rows are to be written down.
    obstacle
        What it is down to where no forward is heard.
    routes
        How the batch is answered, where explanations are asked for beside predictions.
    kept
        The forwards that were seen, each with its place in the batch where that is known.
    lost
        Forwards that were not, for a fault of ours.
    """

    context: Any
    rows: Sequence[object]
    request_ids: Sequence[str]
    origins: Sequence[Origin]
    chosen: Sequence[bool]
    obstacle: Obstacle = NOT_RUN
    routes: Routes | None = None
    kept: list[tuple[int, Forward]] = field(default_factory=list)
    lost: bool = False

    def is_wanted(self) -> bool:
        """Tell whether the forward that is about to be made is to be kept."""
        if self.lost or not any(self.chosen):
            return False
        return self.routes is None or not is_explaining()

    def matched(self, rows: Sequence[int]) -> list[tuple[Forward, list[int]]] | None:
        """Match the forwards that were kept with the rows that were answered."""
        return match(self.kept, rows) if self.routes is None else self.routes.match(self.kept, rows)

    def keep(self, forward: Forward, place: int | None) -> None:
        """Keep a forward; without a place it follows those before it."""
        self.kept.append((len(self.kept) if place is None else place, forward))

    def headers(self, request: int) -> Mapping[str, object]:
        """Give the headers of one of the requests."""
        return dict(self.context.get_all_request_header(request) or {})


_SCOPE: ContextVar[Scope | None] = ContextVar("foveal_scope", default=None)
#: Every batch under way in this process, watched or not.
_UNDER_WAY: list[Scope] = []


@contextmanager
def under_way(scope: Scope) -> Iterator[None]:
    """Let forwards belong to a batch for the while."""
    token = _SCOPE.set(scope)
    _UNDER_WAY.append(scope)
    try:
        yield
    finally:
        _UNDER_WAY.remove(scope)
        _SCOPE.reset(token)


def current_scope() -> Scope | None:
    """Find the batch that a forward of this thread belongs to."""
    scope = _SCOPE.get()
    if scope is not None:
        return scope
    known = tuple(_UNDER_WAY)
    return known[0] if len(known) == 1 else None
