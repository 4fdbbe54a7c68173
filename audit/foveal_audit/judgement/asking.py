"""What causal tests ask of the audited model, and the two scales of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from foveal.records import Window
from foveal.samples.values import Values
from foveal_audit.units.unit import Unit

Logits = NDArray[np.float64]


class Bench(Protocol):
    """The audited model on its samples, as deployed."""

    def pixels(self, sample: int) -> Values:
        """Read one sample (*S, C) by its number."""

    def logits(self, samples: Sequence[Values]) -> Logits:
        """Ask the model: (n, classes), each row about its mean."""

    def logits_held(
        self, changed: Sequence[Values], clean: Sequence[Values], windows: Sequence[Window], unit: Unit
    ) -> Logits:
        """Ask the model about changed samples while the unit keeps the value it has in the clean ones."""


@dataclass(frozen=True)
class Scale:
    """How an answer is read: as what, and for which class of each row.

    Attributes
    ----------
    spread
        (classes,) standard deviation of each class's centred logit over clean samples, the unit of margins;
        None for probabilities, 0 to 1.
    """

    spread: NDArray[np.float64] | None = None

    def __call__(self, logits: Logits, outcome: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the answer (n,) for one class, or for one class a row."""
        values = softmax(logits, axis=1) if self.spread is None else logits / np.maximum(self.spread, 1e-9)
        rows = np.arange(len(values))
        return np.asarray(values[rows, outcome])

    @property
    def bound(self) -> float:
        """The largest change there can be: 1 of probabilities, infinite of margins."""
        return 1.0 if self.spread is None else float("inf")


#: The scale of effects that verdicts rest on.
PROBABILITY = Scale()


#: What each bench answered about clean samples, by their numbers.
_ANSWERED: WeakKeyDictionary[Bench, dict[int, Logits]] = WeakKeyDictionary()


def answers_once(bench: Bench, samples: Sequence[int] | NDArray[np.int64]) -> Logits:
    """Ask about clean samples by their numbers (n,), about each only once as long as the bench lasts."""
    known = _ANSWERED.setdefault(bench, {})
    numbers = [int(number) for number in samples]
    new = sorted(set(numbers) - known.keys())
    if new:
        known.update(zip(new, bench.logits([bench.pixels(number) for number in new]), strict=True))
    return np.stack([known[number] for number in numbers])
