"""Which request each row of a batch came with, where TorchServe's envelope makes several rows of one.

An envelope takes the rows out of the requests before the handler sees them, and tells nobody. It calls the
handler itself, so it is found among the callers.
"""

from __future__ import annotations

import sys
from typing import Any

from ts.torch_handler.request_envelope.base import BaseEnvelope

from foveal_handlers.requests import Origin, origins

_CALL = BaseEnvelope.handle.__code__
#: Between an envelope and us there are the archive's entry file and the runtime, and little else.
_FARTHEST = 12
#: These read the first request of a batch and no other, whatever number of rows that gives. They give one
#: answer, and TorchServe refuses a batch that has not as many answers as requests.
_OF_ONE_REQUEST = frozenset({"KServeEnvelope", "KServev2Envelope"})


def placed(rows: int, requests: int) -> list[Origin] | None:
    """Match the rows of a batch with its requests; to be called below the envelope's own call.

    Parameters
    ----------
    rows, requests
        How many there are of each.

    Returns
    -------
    list of Origin
        One for each row; None where an envelope mixed several requests and does not tell how.
    """
    envelope = _calling_envelope() if requests > 1 else None
    if envelope is None:
        return origins(rows, requests)
    if type(envelope).__name__ in _OF_ONE_REQUEST:
        return None
    lengths = getattr(envelope, "_lengths", None)  # by which it is about to cut up the answers
    if lengths is None:
        return origins(rows, requests)
    fits = len(lengths) == requests and sum(lengths) == rows
    return _in_a_row(lengths) if fits else None


def reads_one_request() -> bool:
    """Tell, below an envelope's own call, whether it reads the first request of a batch and no other."""
    return type(_calling_envelope()).__name__ in _OF_ONE_REQUEST


def _in_a_row(lengths: list[int]) -> list[Origin]:
    """Name the rows of requests that lie one after the other."""
    return [Origin(request, row) for request, length in enumerate(lengths) for row in range(length)]


def _calling_envelope() -> Any | None:  # noqa: ANN401 - TorchServe's
    """Find the envelope that calls the handler, if there is one."""
    frame = sys._getframe(1)
    for _ in range(_FARTHEST):
        if frame.f_code is _CALL:
            return frame.f_locals.get("self")
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None
