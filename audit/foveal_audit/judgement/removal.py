"""Necessity: how much of the class goes when the facet is taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.values import Values
from foveal_audit.judgement.asking import PROBABILITY, Bench, Logits, Scale, answers_once
from foveal_audit.judgement.filling import fill_from, fill_smoothly
from foveal_audit.judgement.hosts import Found, hosts_for
from foveal_audit.judgement.pairs import Effect, smaller, summarise
from foveal_audit.judgement.places import Placed, control_window, cut, in_rounds, is_fresh, same_place
from foveal_audit.judgement.stopping import Look, is_futile, is_sure, run_until

#: Makes the changed sample from a row's number and the window to fill.
_Fill = Callable[[int, Window], Values]


@dataclass(frozen=True)
class Removal:
    """A facet taken out of its samples, look by look.

    Attributes
    ----------
    before
        Answers about the samples as they are, (n, classes).
    without
        Per filler the answers without the facet and without its control.
    owners, neighbours
        int64 (n,), the sample of each window and the one that the second filler took its patch from.
    share
        Of the error that the last look may spend.
    """

    before: Logits
    without: list[tuple[Logits, Logits]]
    owners: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    share: float = 1.0

    def effect(self, scale: Scale = PROBABILITY) -> Effect:
        """Measure how much of the predicted class goes: with the filler that takes least, to be sure."""
        return smaller([self._effect(number, scale) for number in range(len(self.without))])

    def _effect(self, filler: int, scale: Scale) -> Effect:
        found, control = (self._drop(answers, scale) for answers in self.without[filler])
        shared = (self.owners, self.neighbours) if filler else (self.owners,)
        return summarise(found, control, *shared, share=self.share, bound=scale.bound)

    def _drop(self, after: Logits, scale: Scale) -> NDArray[np.float64]:
        classes = self.before.argmax(axis=1)
        return scale(self.before, classes) - scale(after, classes)

    @property
    def is_settled(self) -> bool:
        """Whether more windows would change nothing: both fillers show an effect, or one of them none."""
        fresh = is_fresh(self.owners), is_fresh(self.owners, self.neighbours)
        independent = [
            (self._drop(found, PROBABILITY) - self._drop(control, PROBABILITY))[own]
            for (found, control), own in zip(self.without, fresh, strict=True)
        ]
        effect = self.effect()
        return any(map(is_futile, independent)) or all(is_sure(effect, one) for one in independent)


def remove(
    bench: Bench,
    facet: Sequence[Placed],
    hosts: Sequence[int],
    rng: np.random.Generator,
    pairs: int,
    found: Found | None = None,
) -> Removal:
    """Take the facet out of its samples until its effect is clear.

    Two fillers are tried, the surroundings' continuation and the same place of a sample without the facet.

    Parameters
    ----------
    bench
        The audited model on its samples.
    facet
        Windows of the facet.
    hosts
        Numbers of samples that do not show the facet.
    rng
        Chooses windows, controls and hosts.
    pairs
        Windows tried at most.
    found
        Per sample the windows that were found in it, of any facet; None: nothing is known.
    """
    owners = np.array([placed.sample for placed in facet], dtype=np.int64)
    rows = in_rounds(owners, min(pairs, len(facet)), rng)
    others = hosts_for(bench, [facet[row] for row in rows], hosts, found or {}, rng)
    looked: list[Removal] = []

    def settles(start: int, look: Look) -> bool:
        chosen = [facet[row] for row in rows[start : look.pairs]]
        looked.append(_removed(bench, chosen, others[start : look.pairs], rng))
        return _joined(looked, look).is_settled

    return _joined(looked, run_until(settles, len(rows)))


def _removed(
    bench: Bench, chosen: Sequence[Placed], others: NDArray[np.int64], rng: np.random.Generator
) -> Removal:
    samples = [bench.pixels(placed.sample) for placed in chosen]
    controls = [
        control_window(placed, pixels.shape, rng) for placed, pixels in zip(chosen, samples, strict=True)
    ]
    neighbours = [bench.pixels(int(number)) for number in others]

    def smoothly(number: int, window: Window) -> Values:
        return fill_smoothly(samples[number], window, rng)

    def from_neighbour(number: int, window: Window) -> Values:
        there = same_place(window, samples[number].shape, neighbours[number])
        return fill_from(samples[number], window, cut(neighbours[number], there))

    def without(fill: _Fill, windows: Sequence[Window]) -> Logits:
        return bench.logits([fill(number, window) for number, window in enumerate(windows)])

    facets = [placed.window for placed in chosen]
    return Removal(
        answers_once(bench, [placed.sample for placed in chosen]),
        [(without(fill, facets), without(fill, controls)) for fill in (smoothly, from_neighbour)],
        np.array([placed.sample for placed in chosen], dtype=np.int64),
        others,
    )


def _joined(parts: Sequence[Removal], look: Look) -> Removal:
    fillers = range(len(parts[0].without))
    return Removal(
        np.concatenate([part.before for part in parts]),
        [
            (
                np.concatenate([part.without[filler][0] for part in parts]),
                np.concatenate([part.without[filler][1] for part in parts]),
            )
            for filler in fillers
        ],
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.neighbours for part in parts]),
        look.share,
    )
