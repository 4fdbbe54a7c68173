"""Say what is being done, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from foveal.commands.progress import Report, reporting

#: Seconds of each stage on two quiet cores, fixed and per sample: after the first stages only ratios matter.
STAGES: dict[str, tuple[float, float]] = {
    "making the study": (0.0, 0.004),
    "training the network": (0.0, 0.035),
    "packing the model": (2.0, 0.0),
    "starting TorchServe and MLflow": (20.0, 0.0),
    "sending the production {samples}": (0.0, 0.004),
    "shipping to the feature library": (5.0, 0.0),
    "collecting the training {samples}": (0.0, 0.012),
    "auditing": (60.0, 0.01),
}


class Stages:
    """Counts the stages of a demo and estimates the time left from how fast the past ones went."""

    def __init__(self, number: int, samples: str = "images") -> None:
        self._expected = {name: fixed + each * number for name, (fixed, each) in STAGES.items()}
        self._samples = samples
        self._console = Console(stderr=True)
        self._spent = self._planned = 0.0
        self._number = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Announce a stage, and give the function that shows its progress."""
        self._number += 1
        left = sum(list(self._expected.values())[self._number - 1 :]) * self._pace()
        said = name.format(samples=self._samples)
        line = f"[{self._number}/{len(STAGES)}] {said} (about {_duration(left)} left in all)"
        self._console.print(line, highlight=False, markup=False)
        began = time.monotonic()
        with reporting() as report:
            yield report
        self._spent += time.monotonic() - began
        self._planned += self._expected[name]

    def _pace(self) -> float:
        """How much slower than planned this machine is; what took no time at all was there already."""
        return min(4.0, max(0.5, self._spent / self._planned)) if self._planned else 1.0


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
