"""Find the properties of whole pictures that the model relies on, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bench import span_of_samples
from foveal_audit.properties.facet import FIRST_NUMBER, PropertyFacet, Shown, unit_of, whole_pictures
from foveal_audit.properties.measuring import Measured, measure
from foveal_audit.properties.profile import Profile
from foveal_audit.properties.signs import signals_of
from foveal_audit.properties.splitting import BOUNDS, Bounds, Split, find_splits
from foveal_audit.properties.transfer import Bench, Roles, Transferred, transfer
from foveal_audit.rois import Rois
from foveal_audit.spans import Span
from foveal_audit.windows import Samples, Windows


@dataclass(frozen=True)
class PropertySettings:
    """How thorough the search is.

    Attributes
    ----------
    pairs
        Edited pictures of each causal test.
    bounds
        What counts as a property.
    """

    pairs: int = 96
    bounds: Bounds = BOUNDS


class ReadableBench(Bench, Shown, Protocol):
    """The audited model, and which samples' pixels are still there."""

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Per sample of the library whether its file is there and unchanged."""


def find_properties(
    samples: Samples,
    bench: ReadableBench,
    settings: PropertySettings,
    rng: np.random.Generator,
    rois: Rois | None = None,
) -> list[PropertyFacet]:
    """Find properties of whole pictures that go with what the model answers, and measure what they do.

    Parameters
    ----------
    samples
        Of the library; those of the training source whose file can be read are looked at.
    bench
        The audited model on them.
    settings
        How thorough.
    rng
        Source of all chance: the same gives the same.
    rois
        Regions of interest by sample name, where they are known.

    Returns
    -------
    The facets class by class; none where all samples get one class, or are too small (24 pixels, 128 steps
    of a trace, 12 voxels a side).
    """
    candidates = np.flatnonzero(samples.of("training") & bench.readable)
    span = span_of_samples(bench, candidates)
    places, measured = measure(bench, candidates.tolist(), span)
    looked = _Looked(samples, bench, candidates[places], measured, span)
    return list(looked.facets(settings, rng, rois))


@dataclass(frozen=True)
class _Looked:
    """Pictures that were measured: their numbers ``rows`` (n,) and their statistics."""

    samples: Samples
    bench: ReadableBench
    rows: NDArray[np.int64]
    measured: Measured
    span: Span

    def facets(
        self, settings: PropertySettings, rng: np.random.Generator, rois: Rois | None
    ) -> Iterator[PropertyFacet]:
        for outcome in np.unique(self._predicted).tolist():
            splits = find_splits(self.measured, self._of(outcome), rng, settings.bounds)
            for number, split in enumerate(splits, start=FIRST_NUMBER):
                transferred = self._transfer(split, outcome, settings.pairs, rng)
                signals = signals_of(split, transferred, self.samples, self.rows, outcome, rois)
                windows = self._windows(split)
                yield PropertyFacet(unit_of(outcome), number, outcome, windows, split, transferred, signals)

    @property
    def _predicted(self) -> NDArray[np.int64]:
        return self.samples.predicted[self.rows]

    def _of(self, outcome: int) -> NDArray[np.bool_]:
        """Mark the pictures of a class: by the truth that most of its answers have, where labels tell."""
        answered, outcomes = self._predicted == outcome, self.samples.outcomes[self.rows]
        return np.asarray(outcomes == np.bincount(outcomes[answered]).argmax())

    def _windows(self, split: Split) -> Windows:
        carriers = np.flatnonzero(split.carries)
        strength = split.scores[carriers] - split.threshold
        return whole_pictures(self.samples, self.rows[carriers].tolist(), strength, self.bench)

    def _transfer(
        self, split: Split, outcome: int, pairs: int, rng: np.random.Generator
    ) -> Transferred | None:
        answered = self._predicted == outcome
        usable = self._alike(split.carries & answered)
        without = usable & ~split.carries
        roles = Roles.of(
            self.rows[usable & split.carries & answered],
            self.rows[without & answered],
            self.rows[without & ~answered],
        )
        profile = Profile.of(self.measured, split.carries, self.span)
        return transfer(self.bench, roles, profile, outcome, rng, pairs)

    def _alike(self, carriers: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark the pictures with as many channels as most carriers have: others cannot take it over."""
        channels = np.array([self.samples.shapes[row][-1] for row in self.rows.tolist()])
        usual = Counter(channels[carriers].tolist()).most_common(1)
        return np.asarray(channels == usual[0][0]) if usual else carriers
