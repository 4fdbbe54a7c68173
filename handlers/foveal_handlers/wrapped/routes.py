"""Predictions and explanations in one batch: which of a handler's forwards are the predictions.

TorchServe puts requests of both routes into one batch. Its own handlers look at the first request alone and
answer all of them by that one's route. Others answer each by its own, and what explains may run the network
as well. A forward counts as a prediction only where it can be nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ts.torch_handler.base_handler import BaseHandler

from foveal.capture import Forward
from foveal_handlers.wrapped.matching import match
from foveal_handlers.wrapped.original import Original

#: What TorchServe's handlers explain with; forwards below these are the explainer's own.
_EXPLAINERS = frozenset({"explain_handle", "get_insights"})


@dataclass(frozen=True)
class Routes:
    """How a batch of both routes is answered.

    Attributes
    ----------
    explained
        Which rows ask for anything but a prediction.
    first_explained
        Whether the first request does.
    by_first
        Whether the handler answers the whole batch by the first request's route.
    """

    explained: Sequence[bool]
    first_explained: bool
    by_first: bool

    def predicts(self) -> bool:
        """Tell whether any prediction is to be expected."""
        return not all(self.explained) and not (self.by_first and self.first_explained)

    def match(
        self, kept: Sequence[tuple[int, Forward]], rows: Sequence[int]
    ) -> list[tuple[Forward, list[int]]] | None:
        """Match forwards with the rows that the handler answered; see :func:`match`.

        Where each request is answered by its own route, the forwards must be just those of the predictions.
        One forward of all rows is theirs too, unless the first request may have led the handler to explain.
        """
        if self.by_first:
            return match(kept, rows)
        predicted = [row for row in rows if not self.explained[row]]
        heard = sum(len(forward.x) for _, forward in kept)
        if heard == len(predicted):
            return match(kept, predicted)
        whole = len(kept) == 1 and heard == len(rows) and not self.first_explained
        return match(kept, rows) if whole else None


def goes_by_first(original: Original) -> bool:
    """Tell whether a handler answers by the first request's route, as TorchServe's own do."""
    kind: Any = type(original.instance)
    if not issubclass(kind, BaseHandler) or kind._is_explain is not BaseHandler._is_explain:
        return False
    return original.makes_micro_batches or getattr(original.entry, "__func__", None) is BaseHandler.handle


def is_explaining() -> bool:
    """Tell whether the code that runs now was called by what explains."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _EXPLAINERS:
        frame = frame.f_back  # type: ignore[assignment]  # None above the outermost
    return frame is not None
