"""How unlike training a served sample is: its distance to the nearest training samples.

A sample is described by its logits and by the recorded values of its nodes, each in standard deviations over
the training samples. Its score is the distance to its tenth nearest one (Sun et al. 2022,
"Out-of-distribution detection with deep nearest neighbors"); nothing of it is a picture or a crop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.records import SampleRecord

#: The distance to the nearest so many counts.
NEIGHBOURS = 10
#: Training samples at most that served ones are compared with.
MOST = 1024

Points = NDArray[np.float32]
Scores = NDArray[np.float64]
#: Name and number of nodes of each layer, and the number of classes.
Form = tuple[tuple[str, int], ...]


def form_of(scores: Sequence[float], activations: Mapping[str, Sequence[float]]) -> Form:
    """Say what a description is made of: samples of another form cannot be compared."""
    return (("", len(scores)), *((layer, len(activations[layer])) for layer in sorted(activations)))


def describe(scores: Sequence[float], activations: Mapping[str, Sequence[float]]) -> list[float]:
    """Describe a sample by its logits and the values of its nodes, layer by layer."""
    return [*scores, *(value for layer in sorted(activations) for value in activations[layer])]


@dataclass(frozen=True, eq=False)
class Reference:
    """Training samples as points.

    Attributes
    ----------
    form
        What they are made of.
    centre, spread
        (d,) mean and standard deviation of each number.
    points
        (n, d) in units of these.
    """

    form: Form
    centre: Points
    spread: Points
    points: Points

    @classmethod
    def of(cls, form: Form, described: Points) -> Reference:
        """Take descriptions (n, d), finite, at least ten of them, as what others are compared with."""
        centre, spread = described.mean(axis=0), described.std(axis=0)
        spread = spread + np.float32(1e-3) * spread.max() + np.float32(1e-6)  # what hardly varies is no ruler
        return cls(form, centre, spread, (described - centre) / spread)

    def scores(self, described: Points) -> Scores:
        """Give the distance (m,) of descriptions (m, d) to their tenth nearest point; NaN of what is none."""
        asked = (described - self.centre) / self.spread
        squares = (asked**2).sum(1)[:, None] + (self.points**2).sum(1) - 2 * asked @ self.points.T
        nearest = np.partition(squares, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
        return np.sqrt(np.maximum(nearest, 0), dtype=np.float64)

    def of_stream(self, samples: Sequence[SampleRecord]) -> Scores:
        """Score served samples in their order; those of another form are left out."""
        own = [one for one in samples if form_of(one.scores, one.activations) == self.form]
        if not own:
            return np.zeros(0)
        with np.errstate(invalid="ignore", over="ignore"):
            described = [describe(one.scores, one.activations) for one in own]
            return self.scores(np.array(described, dtype=np.float32))
