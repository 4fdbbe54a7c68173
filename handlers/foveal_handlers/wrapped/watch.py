"""The watch over one foreign handler: listens to its forwards and notes what they show."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from foveal.capture import Forward
from foveal.errors import UsageError
from foveal.observer import Seen
from foveal.recording import Meter, Recorder
from foveal.samples.geometry import FrameFinder
from foveal_handlers.auditing import Containment, worker_losses
from foveal_handlers.envelopes import placed, reads_one_request
from foveal_handlers.requests import RECORD_HEADER, Origin
from foveal_handlers.wrapped.attaching import Attachment
from foveal_handlers.wrapped.discovery import (
    MIXED_ROWS,
    NOT_RUN,
    ONE_REQUEST,
    STARTING,
    UNMATCHED,
    Obstacle,
)
from foveal_handlers.wrapped.original import Original
from foveal_handlers.wrapped.routes import Routes, goes_by_first
from foveal_handlers.wrapped.samples import seen_row
from foveal_handlers.wrapped.scope import Scope, current_scope
from foveal_handlers.wrapped.setting import Setting

_log = logging.getLogger(__name__)


class Watch:
    """Watches one handler.

    Parameters
    ----------
    original
        The handler, initialized.
    setting
        How to watch it.
    spool
        The model's folder in the spool.
    meter
        Whom to tell what it took.
    """

    def __init__(self, original: Original, setting: Setting, spool: Path, meter: Meter | None = None) -> None:
        self._original, self._config = original, setting.config
        self._recorder = Recorder(setting.config, spool, meter)
        self._containment = Containment(worker_losses(spool), meter)
        self._frames = FrameFinder()
        self._told: set[str] = set()
        self._batches = count(1)
        self.attachment = Attachment(
            original,
            setting,
            self._containment,
            wanted=_is_wanted,
            heard=self._heard,
            failed=self._failed,
            ready=self._recorder.follow,
        )
        self.attachment.look()

    def scope(self, data: Any, context: Any) -> Scope:  # noqa: ANN401 - TorchServe's
        """Describe a batch that is about to be predicted, and decide which of its rows are written down."""
        ids = [str(one) for one in (context.request_ids or {}).values()]
        rows = [dict(row) if isinstance(row, dict) else row for row in data or ()]
        found = placed(len(rows), len(ids))
        # What keeps us from hearing now counts: the observer may be made while the batch is under way.
        scope = Scope(context, rows, ids, found or (), [False] * len(rows), self.attachment.obstacle)
        if rows and ids:
            scope.chosen = self._chosen(scope)
        return scope

    def record(self, scope: Scope) -> None:
        """Write down what a batch's forwards show, and say so in its headers."""
        wanted = sum(scope.chosen)
        if not wanted or scope.lost:
            return
        with self._containment.around("record", wanted):
            self._write(scope)
            self._look_again()

    def close(self) -> None:
        """Leave the network as it was and seal the spool's segment."""
        self.attachment.end()
        self._recorder.close()

    def _chosen(self, scope: Scope) -> list[bool]:
        """Choose rows by the ids of their requests; none where we cannot look or had better not."""
        none = [False] * len(scope.rows)
        asked = [_asks_for(scope, request) for request in range(len(scope.request_ids))]
        if not scope.origins:
            self._note_unplaced(0 if all(asked) else len(scope.rows))
            return none
        scope.routes = self._routes(scope, asked)
        if scope.routes is not None and not scope.routes.predicts():
            self._containment.count("explaining", scope.routes.explained.count(False))
            return none
        chosen = [self._recorder.wants(scope.request_ids[origin.request]) for origin in scope.origins]
        if scope.routes is not None:
            chosen = [one and not other for one, other in zip(chosen, scope.routes.explained, strict=True)]
        return chosen if self._may_look(sum(chosen)) else none

    def _routes(self, scope: Scope, asked: Sequence[bool]) -> Routes | None:
        """Say how a batch is answered where explanations are asked for; None where they are not."""
        if not any(asked):
            return None
        explained = tuple(asked[origin.request] for origin in scope.origins)
        return Routes(explained, asked[0], goes_by_first(self._original))

    def _may_look(self, samples: int) -> bool:
        """Tell whether neither a fault nor the time it takes forbids to look; what that costs is counted."""
        if samples == 0 or self._containment.pausing(samples):
            return False
        if self._recorder.has_time():
            return True
        self._containment.count("over_budget", samples)
        return False

    def _write(self, scope: Scope) -> None:
        """Write down each chosen row that the handler answered."""
        found = scope.origins
        answered = [row for row, origin in enumerate(found) if _is_answered(scope, origin)]
        matched = scope.matched(answered)
        if matched is None:
            self._note_unmatched(scope, sum(scope.chosen[row] for row in answered))
            return
        for forward, rows in matched:
            self._write_forward(scope, forward, [(row, found[row]) for row in rows])
        self._containment.succeeded()

    def _write_forward(self, scope: Scope, forward: Forward, rows: Sequence[tuple[int, Origin]]) -> None:
        """Write down the rows of one forward."""
        seen = [self._seen(scope, *one, forward, place) for place, one in enumerate(rows)]
        some = next((one for one in seen if one is not None), None)
        observer = self.attachment.observer
        if some is None or observer is None:
            return

        def acknowledge(place: int) -> None:
            request = rows[place][1].request
            scope.context.set_response_header(request, RECORD_HEADER, scope.request_ids[request])

        # Rows that are not kept need a description too; whose it is does not matter.
        described = [one or some for one in seen]
        self._recorder.write(observer, forward, described, [one is not None for one in seen], acknowledge)

    def _seen(self, scope: Scope, row: int, origin: Origin, forward: Forward, place: int) -> Seen | None:
        """Describe a row; None where it was not chosen, or, counted, where it is no image."""
        if not scope.chosen[row]:
            return None
        try:
            return seen_row(scope, row, origin, forward.x[place], self._config, self._frames)
        except UsageError as fault:
            self._containment.count("no_image", 1)
            self._tell("no_image", str(fault))
            return None

    def _note_unplaced(self, samples: int) -> None:
        """Count, and say once, that nobody tells whose the rows are; what is refused is no prediction."""
        if reads_one_request():
            self._tell(ONE_REQUEST.reason, ONE_REQUEST.advice)
        else:
            self._note(MIXED_ROWS, samples)

    def _note_unmatched(self, scope: Scope, samples: int) -> None:
        """Count, and say once, why no forward fits the rows."""
        found = UNMATCHED if scope.kept else scope.obstacle
        if scope.routes is not None and found in (UNMATCHED, NOT_RUN):
            self._containment.count("explaining", samples)
        else:
            self._note(found, samples)

    def _note(self, found: Obstacle, samples: int) -> None:
        """Count what was not observed, and say once why."""
        self._containment.count(found.reason, samples)
        if found is not STARTING:
            self._tell(found.reason, found.advice)

    def _look_again(self) -> None:
        """Look for the network again, ever more seldom: handlers load it late, or replace it."""
        number = next(self._batches)
        if number & (number - 1) == 0:
            self.attachment.look()

    def _heard(self, forward: Forward) -> None:
        """Keep a forward for the batch that it belongs to."""
        scope = current_scope()
        if scope is not None:
            scope.keep(forward, self._original.micro_batch())

    def _failed(self, fault: Exception) -> None:
        """Give a batch up, for whose forward something of ours failed."""
        scope = current_scope()
        if scope is not None and not scope.lost:
            scope.lost = True
            self._containment.note("observe", sum(scope.chosen), fault)

    def _tell(self, what: str, text: str) -> None:
        """Log something once."""
        if what not in self._told:
            self._told.add(what)
            _log.warning("Foveal cannot observe predictions of %s. %s", self._original.name, text)


def _is_wanted() -> bool:
    """Tell whether the forward that is about to be made is to be heard."""
    scope = current_scope()
    return scope is not None and scope.is_wanted()


def _asks_for(scope: Scope, request: int) -> bool:
    """Tell whether a request asks for anything but a prediction."""
    asked = (scope.context.get_request_header(request, name) for name in ("explain", "describe"))
    return any(value == "True" for value in asked)


def _is_answered(scope: Scope, origin: Origin) -> bool:
    """Tell whether the handler gave a request no error of its own."""
    return int(scope.context.get_response_status(origin.request)[0] or 200) < 400
