"""What is asked about a facet: its windows, and the windows and pictures that it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bench import ModelBench
from foveal_audit.judgement.pictures import Pictures
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.windows import Samples, Windows

#: Windows of others that a facet's are compared with, at most; and of its own that are looked at closely.
_POOL, _CLOSELY = 400, 96


@dataclass(frozen=True)
class Question:
    """A facet and what it is held against.

    Attributes
    ----------
    windows
        The facet's windows in training samples.
    outcome
        The class that most of its samples were given.
    around
        The windows and samples of the library.
    bench
        Reads the samples.
    seed
        Source of chance, the facet's own.
    everywhere
        The facet's windows in samples of every source; None: those of training are all there are.
    """

    windows: Windows
    outcome: int
    around: Surroundings
    bench: ModelBench
    seed: int
    everywhere: Windows | None = None

    def chance(self, name: str) -> np.random.Generator:
        """Give a signal its own chance, so that one signal more leaves the others as they are."""
        return np.random.default_rng([self.seed, *name.encode()])

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Training samples that show the facet, (samples,)."""
        return self._showing(self.windows)

    @cached_property
    def present_anywhere(self) -> NDArray[np.bool_]:
        """Samples of every source that show the facet, (samples,)."""
        return self._showing(self.windows if self.everywhere is None else self.everywhere)

    def _showing(self, windows: Windows) -> NDArray[np.bool_]:
        shown = np.zeros(len(self.around.samples), dtype=bool)
        shown[windows.owner] = True
        return shown

    @cached_property
    def of_class(self) -> NDArray[np.bool_]:
        """Training samples that were given the facet's class, (samples,)."""
        return np.asarray(self.around.training & (self.around.samples.predicted == self.outcome))

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Where the facet's windows lie, as shares of the sample's sides, (n, axes)."""
        return self.windows.centres(self.around.samples)

    @cached_property
    def own(self) -> NDArray[np.bool_]:
        """Mark the contribution windows that are the facet's, or that lie on one of a node's by half."""
        everything = self.around.windows
        if everything is None:
            return np.zeros(0, dtype=bool)
        own = np.isin(everything.ids, self.windows.ids)
        for row in np.flatnonzero(self.present[everything.owner] & ~own):
            mine = self.windows.boxes[self.windows.owner == everything.owner[row]]
            own[row] = bool((_shared(mine, everything.boxes[row]) > 0.5).any())
        return own

    @cached_property
    def others(self) -> Windows:
        """Contribution windows of other facets: those that lie elsewhere than the facet's own."""
        everything = self.around.windows
        return (
            self.windows.take(np.zeros(0, dtype=np.int64))
            if everything is None
            else everything.take(~self.own)
        )

    @cached_property
    def pool(self) -> Windows:
        """Some windows that speak for other classes, whose facets are surely others.

        One and the same thing often makes several facets of its class: held against them it would look usual.
        """
        return self.around.once(f"pool beside {self.outcome}", self._pool)

    def _pool(self) -> Windows:
        everything = self.around.windows
        if everything is None:
            return self.others
        foreign = everything.take(self.around.samples.predicted[everything.owner] != self.outcome)
        return _some(foreign, _POOL, np.random.default_rng(0))

    def of_pool(self, name: str, describe: Callable[[Windows], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Describe the pool's windows, one row each; asked once for all facets of a class."""
        return self.around.once(f"{name} of the pool beside {self.outcome}", lambda: describe(self.pool))

    @cached_property
    def closely(self) -> Windows:
        """Some of the facet's own windows, for signals that look at every pixel."""
        return _some(self.windows, _CLOSELY, self.chance("closely"))

    @cached_property
    def pictures(self) -> Pictures:
        """The samples' pixels, small, some of them."""
        return self.around.once("pictures", lambda: Pictures(self.bench, self.around.samples))


def extents(windows: Windows, samples: Samples) -> NDArray[np.float64]:
    """Give windows as shares of their sample's sides, (n, 2 axes)."""
    return np.asarray(windows.boxes / np.tile(windows.sides(samples), 2))


def _some(windows: Windows, most: int, rng: np.random.Generator) -> Windows:
    if len(windows) <= most:
        return windows
    return windows.take(np.sort(rng.choice(len(windows), most, replace=False)))


def _shared(boxes: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the share of each box (n, 2 axes) that another one covers."""
    axes = len(box) // 2
    low, high = np.maximum(boxes[:, :axes], box[:axes]), np.minimum(boxes[:, axes:], box[axes:])
    area = np.prod(boxes[:, axes:] - boxes[:, :axes], axis=1)
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(area, 1))
