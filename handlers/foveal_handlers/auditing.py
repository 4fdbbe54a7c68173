"""Observing predictions without touching them: whatever fails here, the plain prediction is the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foveal.capture import Forward
from foveal.config import FovealConfig
from foveal.observer import Observer, Seen
from foveal.recording import Meter, Recorder
from foveal.samples.kinds import Transform
from foveal.spool.losses import LossFile
from foveal.spool.segments import writer_name

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 1024


class Containment:
    """Lets no fault of ours out: each is counted, each part's first is logged, and a pause follows.

    The pause doubles with every fault in a row, so that what always fails costs next to nothing.

    Parameters
    ----------
    losses
        Where faults and skipped requests are counted, for the report to say so.
    meter
        Whom to tell as well.
    """

    def __init__(self, losses: LossFile, meter: Meter | None = None) -> None:
        self._losses, self._meter = losses, meter
        self._logged: set[str] = set()
        self._in_a_row = 0
        self._left_to_skip = 0

    def pausing(self, samples: int) -> bool:
        """Tell whether this batch is to be left alone; then its samples are counted."""
        if self._left_to_skip == 0:
            return False
        self._left_to_skip -= 1
        self.count("paused", samples)
        return True

    @contextmanager
    def around(self, part: str, samples: int) -> Iterator[None]:
        """Run one part of the auditing of so many samples; an exception ends here."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - the point of this class: auditing never fails a prediction
            self.note(part, samples, fault)

    def note(self, part: str, samples: int, fault: Exception) -> None:
        """Count the samples that a fault cost and lengthen the pause; log each part's first fault."""
        self.count(f"fault_{part}", samples)
        self._in_a_row += 1
        self._left_to_skip = min(2**self._in_a_row, _LONGEST_PAUSE) - 1
        if part not in self._logged:
            self._logged.add(part)
            _log.error("Foveal failed to %s; predictions go on without it", part, exc_info=fault)

    def succeeded(self) -> None:
        """End the row of faults."""
        self._in_a_row = 0

    def count(self, reason: str, samples: int) -> None:
        """Add to the counts, which survive this process."""
        if not samples:
            return
        self._losses.add(reason, samples)
        if self._meter is not None:
            self._meter.note(dropped={reason: samples})


class Auditor:
    """Predicts with a model and notes what it looked at.

    Parameters
    ----------
    model
        The served network.
    transform, config, model_sha256
        As in :class:`foveal.observer.Observer`.
    directory, meter
        As in :class:`foveal.recording.Recorder`.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: Transform,
        config: FovealConfig,
        model_sha256: str,
        directory: Path,
        meter: Meter | None = None,
    ) -> None:
        self._model = model
        self._transform = transform
        self._config = config
        self._model_sha256 = model_sha256
        self._observer: Observer | None = None
        self._recorder = Recorder(config, directory, meter)
        self._containment = Containment(worker_losses(directory), meter)

    def prepare(self, example: Tensor) -> None:
        """Choose the layers and install the hooks now instead of at the first request."""
        with self._containment.around("observe", samples=0):
            self.observer(example)

    def observer(self, example: Tensor) -> Observer:
        """Give what observes the model; it is made for the first example (1, C, h, w)."""
        if self._observer is None:
            self._observer = Observer(self._model, self._transform, self._config, self._model_sha256, example)
            self._recorder.follow(self._observer)
        return self._observer

    def wants(self, request_id: str) -> bool:
        """Tell whether a request may be written down."""
        return self._recorder.wants(request_id)

    def predict(
        self,
        x: Tensor,
        chosen: Sequence[bool],
        describe: Callable[[], Sequence[Seen]],
        acknowledge: Callable[[int], None],
    ) -> Any:  # noqa: ANN401 - whatever the network gives
        """Predict a batch.

        Parameters
        ----------
        x
            The batch (B, C, h, w) on the model's device.
        chosen
            Which rows are to be written down.
        describe
            Says what is known of each row; called only where it is needed.
        acknowledge
            Called with each row that has been written down. Both may fail without harm.

        Returns
        -------
        Any
            The model's own output, the scores (B, classes) of classifiers, exactly as without auditing.
        """
        wanted = sum(chosen)
        if not wanted or self._containment.pausing(wanted) or not self._has_time(wanted):
            return plain_prediction(self._model, x)
        try:
            forward = self._forward(x)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the plain prediction is the answer
            output = plain_prediction(
                self._model, x
            )  # where this fails too, the request is at fault and not we
            self._containment.note("observe", wanted, fault)
            return output
        with self._containment.around("record", wanted):
            self._recorder.write(self.observer(x[:1]), forward, describe(), chosen, acknowledge)
            self._containment.succeeded()
        return forward.prediction

    def close(self) -> None:
        """Take the hooks off and seal the spool's segment."""
        if self._observer is not None:
            self._observer.close()
        self._recorder.close()

    def _has_time(self, samples: int) -> bool:
        """Tell whether auditing keeps its budget; where not, the samples are counted."""
        if self._recorder.has_time():
            return True
        self._containment.count("over_budget", samples)
        return False

    def _forward(self, x: Tensor) -> Forward:
        """Predict with the tap, the whole batch also for the sake of a single row.

        A batch is never split: a network's output may differ in its last bit with the size of the batch.
        """
        return self.observer(x[:1]).forward(x)


def plain_prediction(model: nn.Module, x: Tensor) -> Any:  # noqa: ANN401 - whatever the network gives
    """Predict as if there were no auditing."""
    with torch.inference_mode():
        return model(x)


def worker_losses(directory: Path) -> LossFile:
    """Open this worker's own count of what was not observed, in a model's spool folder."""
    return LossFile(directory / f"{writer_name()}-worker")
