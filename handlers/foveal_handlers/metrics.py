"""What workers tell TorchServe's metrics: sums, at most every few seconds, for each update is a log line."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from foveal.monitoring.names import ATTRIBUTION_SECONDS, CROPS_SPOOLED, DROPPED, Metric

_log = logging.getLogger(__name__)
_LEVEL = "Model"


class Meter:
    """Adds up what happens and hands the sums to TorchServe now and then.

    Nothing here fails a request: the first fault is logged, and nothing is told from then on. What happened
    after the last telling is told with the next request, and not at all where the worker is killed before;
    the spool's own counts, which the shipper exposes, outlive it.

    Parameters
    ----------
    context
        TorchServe's context. Its ``metrics`` are looked up when they are told: it has none while it starts.
    every_seconds
        The shortest time between two tellings.
    samples
        How many batches' seconds are told each time, drawn at random: each costs a log line.
    clock
        Tells the time.
    """

    def __init__(
        self,
        context: Any,  # noqa: ANN401 - TorchServe's context has no type of its own to rely on
        every_seconds: float = 10.0,
        samples: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._every_seconds, self._samples, self._clock = every_seconds, samples, clock
        self._lock = threading.Lock()
        self._random = random.Random()  # noqa: S311 - draws which request's seconds are told
        self._last = clock()
        self._broken = False
        self._start_over()

    def note(
        self, seconds: float | None = None, crops: int = 0, dropped: Mapping[str, int] | None = None
    ) -> None:
        """Note what one request or batch brought.

        Parameters
        ----------
        seconds
            What recording it took; None where it was not recorded.
        crops
            Crops written to the spool.
        dropped
            Observations that were dropped, by reason.
        """
        with self._lock:
            self._crops += crops
            self._dropped.update(dropped or {})
            if seconds is not None:
                self._draw(seconds)
            if self._clock() - self._last >= self._every_seconds:
                self._tell()

    def flush(self) -> None:
        """Tell what has not been told yet."""
        with self._lock:
            self._tell()

    def _draw(self, seconds: float) -> None:
        """Keep a batch's seconds, or not: every batch since the last telling has the same chance."""
        self._timed += 1
        if len(self._seconds) < self._samples:
            self._seconds.append(seconds)
        elif (place := self._random.randrange(self._timed)) < self._samples:
            self._seconds[place] = seconds

    def _tell(self) -> None:
        """Hand everything over and start over."""
        self._last = self._clock()
        try:
            if not self._broken:
                self._emit_all()
        except Exception:  # noqa: BLE001 - a metric is never worth a request
            self._broken = True
            _log.exception("Foveal's metrics cannot be told and are left out from now on")
        self._start_over()

    def _start_over(self) -> None:
        self._crops = 0
        self._timed = 0
        self._seconds: list[float] = []
        self._dropped: Counter[str] = Counter()

    def _emit_all(self) -> None:
        if self._crops:
            self._emit(CROPS_SPOOLED, self._crops)
        for reason, count in sorted(self._dropped.items()):
            self._emit(DROPPED, count, _dimension(reason))
        for seconds in self._seconds:
            self._emit(ATTRIBUTION_SECONDS, seconds)

    def _emit(self, metric: Metric, value: float, *labels: str) -> None:
        """Write one update."""
        cached = self._metric(metric)
        cached.add_or_update(value, [*labels, _dimension(self._context.model_name), _LEVEL])

    def _metric(self, metric: Metric) -> Any:  # noqa: ANN401
        """Find TorchServe's metric, or add it: metrics.yaml may lack it, then the frontend drops it."""
        from ts.metrics.metric_type_enum import MetricTypes  # noqa: PLC0415 - only in a worker

        kind, cache = MetricTypes(metric.kind), self._context.metrics
        found = cache.cache.get(kind, {}).get(metric.name)
        return found or cache.add_metric_to_cache(metric.name, metric.unit, metric.dimensions, kind)


def _dimension(text: str) -> str:
    """Write a value so that it cannot break the line that TorchServe parses."""
    return "".join(letter if letter.isalnum() or letter in "_.-" else "_" for letter in str(text))[:100]
