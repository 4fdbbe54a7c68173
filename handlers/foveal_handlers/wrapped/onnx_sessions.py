"""Handlers that keep a session of onnxruntime: somebody sits in its place, through whom its runs are heard.

Whatever answers, it is the handler's own session, unless a run of ours gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foveal.capture.parted import Parted
from foveal.segmenting.network import Segmented
from foveal.segmenting.settings import Section
from foveal_handlers.wrapped.original import Original


@dataclass(frozen=True, eq=False)
class Seat:
    """Where a handler keeps its session.

    Attributes
    ----------
    holder, name
        The handler's object or module, and the attribute.
    session
        The session.
    module
        The same network as a module, which predicts with that session.
    """

    holder: object
    name: str
    session: Any
    module: nn.Module

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Sit in the session's place for the while."""
        setattr(self.holder, self.name, StandIn(self))
        try:
            yield
        finally:
            if isinstance(getattr(self.holder, self.name, None), StandIn):
                setattr(self.holder, self.name, self.session)


class StandIn:
    """Looks like a session; what the network is asked goes through the module, all else to the session."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        (given, *more) = seat.session.get_inputs()
        self._input = None if more else given.name
        self._outputs = [one.name for one in seat.session.get_outputs()]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a session has
        return getattr(self.seat.session, name)

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,
    ) -> Any:  # noqa: ANN401
        """Run as the session does."""
        fed = input_feed.get(self._input) if self._input is not None else None
        scores = list(output_names or self._outputs) == self._outputs[:1]
        if run_options is not None or not scores or not isinstance(fed, np.ndarray) or len(input_feed) != 1:
            return self.seat.session.run(output_names, input_feed, run_options)
        found = self.seat.module(torch.from_numpy(np.ascontiguousarray(fed)))
        return [(found.output if isinstance(found, Segmented) else found).numpy()]


def find_seat(original: Original, path: Path, section: Section | None = None) -> Seat | None:
    """Find where a handler keeps its session.

    Parameters
    ----------
    original
        The handler, initialized.
    path
        The archive's ONNX file.
    section
        What the archive's settings say of a segmentation network.
    """
    for holder in (original.instance, original.module):
        for name, value in list((getattr(holder, "__dict__", None) or {}).items()):
            if isinstance(value, StandIn):
                return value.seat
            if _is_session(value):
                module = _presented(value, path)
                return Seat(holder, name, value, section.before(module, whole=True) if section else module)
    return None


def _is_session(value: object) -> bool:
    kind = type(value)
    return kind.__name__ == "InferenceSession" and kind.__module__.partition(".")[0] == "onnxruntime"


def _presented(session: Any, path: Path) -> Parted:  # noqa: ANN401 - onnxruntime publishes no types
    """Present the network as a module that predicts with the handler's own session."""
    from foveal.facades.carried_files import open_carried  # noqa: PLC0415 - most handlers keep no session

    module = open_carried(path, threads=session.get_session_options().intra_op_num_threads)
    (given, *_), (scores, *_) = session.get_inputs(), session.get_outputs()

    def predict(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run([scores.name], {given.name: x.detach().cpu().numpy()})[0])

    module.predict = predict
    return module
