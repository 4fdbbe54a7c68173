"""From a forward to the spool: choose what is kept, write it down, say what was, and mind the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from foveal.budget import Breaker
from foveal.capture import Forward
from foveal.config import FovealConfig
from foveal.memory import trim
from foveal.observer import Observer, Seen
from foveal.records import Observation
from foveal.sampling import Sampler
from foveal.spool import Spool
from foveal.thresholds import ThresholdFile


class Meter(Protocol):
    """Takes in what recording a batch brought, for a server's metrics."""

    def note(
        self, seconds: float | None = None, crops: int = 0, dropped: Mapping[str, int] | None = None
    ) -> None:
        """Note what it took, how many crops there will be, and what was dropped, by reason."""


class Recorder:
    """Writes down what one model's forwards were made of.

    Parameters
    ----------
    config
        How to choose, and how to write.
    directory
        The model's folder in the spool.
    meter
        Whom to tell what it took.
    """

    def __init__(self, config: FovealConfig, directory: Path, meter: Meter | None = None) -> None:
        self._config, self._directory = config, directory
        self.spool = Spool(directory, config.spool.max_bytes, config.spool.durability)
        self._sampler = Sampler(config.sample_rate, config.sampling)
        self._breaker = Breaker(config.budget)
        self._thresholds: ThresholdFile | None = None
        self._meter = meter

    def wants(self, request_id: str) -> bool:
        """Tell whether a request may be observed, before it costs anything."""
        return self._sampler.may_want(request_id)

    def has_time(self) -> bool:
        """Tell whether the next batch may be observed, or auditing has been taking too long."""
        return self._breaker.admits()

    def follow(self, observer: Observer) -> None:
        """Let an observer's rules go on where the last worker's were, and keep what they learn.

        Those of an observer before it are kept no longer.
        """
        if self._thresholds is not None:
            self._thresholds.close()
        identity = f"{observer.model_sha256[:12]}-{self._config.sha256[:12]}"
        self._thresholds = ThresholdFile(self._directory, identity)
        self._thresholds.restore(observer.rules)
        self._thresholds.keep(observer.rules)
        trim()

    def write(
        self,
        observer: Observer,
        forward: Forward,
        described: Sequence[Seen],
        chosen: Sequence[bool],
        acknowledge: Callable[[int], None],
    ) -> None:
        """Write down the chosen rows of a forward.

        Parameters
        ----------
        observer
            Whose forward it is.
        forward
            The forward of a batch.
        described
            What is known of each of its rows.
        chosen
            Which rows may be kept.
        acknowledge
            Called with each row that has been written down.
        """
        started, kept = time.perf_counter(), 0
        try:
            for row, observation in enumerate(observer.record(described, forward)):
                if chosen[row] and self._append(observation):
                    kept += len(observation.entries)
                    acknowledge(row)
        finally:
            self._note(time.perf_counter() - started, kept, len(described))

    def _append(self, observation: Observation) -> bool:
        """Write an observation down, where it is kept at all."""
        left = self._sampler.keep(observation)
        return left is not None and self.spool.append(left)

    def _note(self, seconds: float, entries: int, rows: int) -> None:
        self._breaker.note(seconds / max(1, rows))
        if self._meter is not None:
            self._meter.note(seconds=seconds, crops=entries)

    def close(self) -> None:
        """Seal the spool's segment."""
        if self._thresholds is not None:
            self._thresholds.close()
        self.spool.close()
