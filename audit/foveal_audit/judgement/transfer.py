"""Sufficiency: how much of the class a facet brings to samples that it does not belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.values import Values
from foveal_audit.judgement.asking import PROBABILITY, Bench, Logits, Scale, answers_once
from foveal_audit.judgement.filling import fill_from
from foveal_audit.judgement.hosts import Found, hosts_for
from foveal_audit.judgement.pairs import Effect, summarise
from foveal_audit.judgement.places import Placed, control_window, cut, in_rounds, is_fresh, same_place
from foveal_audit.judgement.stopping import Look, is_futile, is_sure, run_until


@dataclass(frozen=True)
class Pair:
    """A donor's crop, an equally large one from elsewhere in the donor, and a host with the donor's place."""

    donor: int
    host: int
    window: Window
    facet: Values
    control: Values


@dataclass(frozen=True)
class Transfer:
    """A facet pasted into foreign samples.

    Attributes
    ----------
    pairs
        What was pasted where.
    clean, with_facet, with_control
        Answers about the hosts before and after, (n, classes) each.
    share
        Of the error that the last look may spend.
    """

    pairs: tuple[Pair, ...]
    clean: Logits
    with_facet: Logits
    with_control: Logits
    share: float = 1.0

    @property
    def shared(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Donor and host of every pair."""
        donors = np.array([pair.donor for pair in self.pairs], dtype=np.int64)
        return donors, np.array([pair.host for pair in self.pairs], dtype=np.int64)

    def first(self, number: int) -> Transfer:
        """Give the first pairs alone."""
        few = slice(0, number)
        return Transfer(
            self.pairs[few], self.clean[few], self.with_facet[few], self.with_control[few], self.share
        )

    def effect(self, outcome: int, scale: Scale = PROBABILITY) -> Effect:
        """Measure what the facet brings the hosts beyond what its control brings."""
        clean = scale(self.clean, outcome)
        gain = scale(self.with_facet, outcome) - clean
        control = scale(self.with_control, outcome) - clean
        return summarise(gain, control, *self.shared, share=self.share, bound=scale.bound)

    def is_settled(self, outcome: int) -> bool:
        """Whether more pairs would change nothing."""
        difference = PROBABILITY(self.with_facet, outcome) - PROBABILITY(self.with_control, outcome)
        independent = difference[is_fresh(*self.shared)]
        return is_futile(independent) or is_sure(self.effect(outcome), independent)


def transfer(
    bench: Bench,
    facet: Sequence[Placed],
    hosts: Sequence[int],
    outcome: int,
    rng: np.random.Generator,
    pairs: int,
    found: Found | None = None,
) -> Transfer:
    """Paste the facet's crops at the donor's place until the effect on one class is clear.

    Parameters
    ----------
    bench
        The audited model on its samples.
    facet
        Windows of the facet, in donors that were given the class.
    hosts
        Numbers of samples without the facet that were given another class.
    outcome
        The class.
    rng
        Chooses donors, controls and hosts.
    pairs
        Pairs at most.
    found
        Per sample the windows that were found in it, of any facet; None: nothing is known.
    """
    rows = in_rounds(np.array([placed.sample for placed in facet], dtype=np.int64), pairs, rng)
    others = hosts_for(bench, [facet[row] for row in rows], hosts, found or {}, rng)
    looked: list[Transfer] = []

    def settles(start: int, look: Look) -> bool:
        chosen = zip(rows[start : look.pairs], others[start : look.pairs], strict=True)
        made = [_pair(bench, facet[row], int(host), rng) for row, host in chosen]
        looked.append(_asked(bench, made))
        return _joined(looked, look).is_settled(outcome)

    return _joined(looked, run_until(settles, pairs))


def _pair(bench: Bench, placed: Placed, host: int, rng: np.random.Generator) -> Pair:
    donor = bench.pixels(placed.sample)
    there = same_place(placed.window, donor.shape, bench.pixels(host))
    control = control_window(placed, donor.shape, rng)
    return Pair(placed.sample, host, there, cut(donor, placed.window), cut(donor, control))


def _asked(bench: Bench, pairs: Sequence[Pair]) -> Transfer:
    return Transfer(
        tuple(pairs),
        answers_once(bench, [pair.host for pair in pairs]),
        bench.logits([paste_crop(bench, pair, pair.facet) for pair in pairs]),
        bench.logits([paste_crop(bench, pair, pair.control) for pair in pairs]),
    )


def paste_crop(bench: Bench, pair: Pair, crop: Values, strength: float = 1.0) -> Values:
    """Paste a crop into the pair's host at its place."""
    return fill_from(bench.pixels(pair.host), pair.window, crop, strength)


def _joined(parts: Sequence[Transfer], look: Look) -> Transfer:
    return Transfer(
        tuple(pair for part in parts for pair in part.pairs),
        np.concatenate([part.clean for part in parts]),
        np.concatenate([part.with_facet for part in parts]),
        np.concatenate([part.with_control for part in parts]),
        look.share,
    )
