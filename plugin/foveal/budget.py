"""A limit on what auditing may cost: where it is passed, fewer requests are observed until it is kept."""

from __future__ import annotations

import statistics
from collections import deque

#: Requests whose times are looked at together.
_WINDOW = 32
#: Halvings at most: one request in a thousand shows whether things are better.
_MOST = 10


class Breaker:
    """Halves the share of observed requests while they take too long, and doubles it when they do not.

    Parameters
    ----------
    milliseconds
        What observing one request may take: the median of the last :data:`_WINDOW`.
    """

    def __init__(self, milliseconds: float) -> None:
        self._limit = milliseconds / 1000
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._asked = 0
        #: How often the share has been halved, 0 for all requests.
        self.halvings = 0

    def admits(self) -> bool:
        """Tell whether this request may be observed."""
        self._asked += 1
        return bool(self._asked % 2**self.halvings == 0)

    def note(self, seconds: float) -> None:
        """Take in what an observed request took."""
        self._times.append(seconds)
        if len(self._times) == _WINDOW:
            self._adapt(statistics.median(self._times))

    def _adapt(self, typical: float) -> None:
        if typical > self._limit and self.halvings < _MOST:
            self.halvings += 1
            self._times.clear()
        elif typical < self._limit / 2 and self.halvings > 0:
            self.halvings -= 1
            self._times.clear()
