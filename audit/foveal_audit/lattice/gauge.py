"""What the audited model makes of one frame, and what is usual for real crops."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foveal_audit.generators.crops import Crops
from foveal_audit.generators.pasting import Pasting

HOSTS = 4  # samples that a frame is pasted into: few, because somebody waits
_REFERENCE = 64  # real crops that tell which activations are usual
_AT_ONCE = 8  # of them: somebody may wait for a frame meanwhile
_USUAL = (0.1, 0.9)  # shares of them between which an activation is


@dataclass(frozen=True)
class Activation:
    """What the audited model makes of a frame pasted into foreign samples.

    Attributes
    ----------
    value
        The unit's mean value in them.
    low, high
        Between these lie four in five real crops in the same samples.
    milliseconds
        What asking the model took.
    """

    value: float
    low: float
    high: float
    milliseconds: float


class Gauge:
    """Measures frames by the audited model.

    Parameters
    ----------
    activation
        As the card's; a few of its samples are used.
    real
        (n, C, *s) real crops as the generator knows them; they tell what is usual.
    """

    def __init__(self, activation: Pasting, real: Crops) -> None:
        self._pasting = replace(activation, hosts=activation.hosts[:HOSTS], places=activation.places[:HOSTS])
        self._real = real[:_REFERENCE]

    def __call__(self, crop: Crops) -> Activation:
        """Measure one frame (1, C, *s)."""
        low, high = self.usual
        start = time.perf_counter()
        value = float(self._values(crop)[0])
        return Activation(round(value, 4), low, high, round(1000 * (time.perf_counter() - start), 2))

    def prepare(self) -> None:
        """Find out what is usual, so that the first frame need not wait for it."""
        _ = self.usual

    @cached_property
    def usual(self) -> tuple[float, float]:
        """Values between which four in five real crops lie in the same samples."""
        pieces = (self._real[at : at + _AT_ONCE] for at in range(0, len(self._real), _AT_ONCE))
        low, high = np.quantile(np.concatenate([self._values(piece) for piece in pieces]), _USUAL)
        return round(float(low), 4), round(float(high), 4)

    def _values(self, crops: Crops) -> NDArray[np.float64]:
        """Paste each crop into the same few samples and give the unit's mean value in them, (n,)."""
        count = len(self._pasting.hosts)
        return np.asarray(self._pasting(crops.repeat(count, axis=0)).reshape(-1, count).mean(1))
