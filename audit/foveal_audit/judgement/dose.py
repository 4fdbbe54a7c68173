"""Dose and response: whether more of the facet does more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from foveal.records import Window
from foveal.samples.values import Values
from foveal_audit.judgement.asking import Bench, Logits, Scale
from foveal_audit.judgement.filling import fill_from, in_type
from foveal_audit.judgement.pairs import summarise
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.transfer import Transfer, paste_crop
from foveal_audit.spans import FULL, Span
from foveal_audit.units.resizing import resized

_Values = NDArray[np.float64]
#: How much of the pasted crop is blended in.
DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Steps along a generator's axis, in standard deviations of the real crops.
STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)

#: ``dose_slope``: what the full crop adds to the class, in standard deviations of its centred logit, by a
#: straight line through the doses. ``dose_rank``: Spearman's correlation of dose and answer within a pair,
#: mean over the pairs, -1 to 1: 1 = more is always more. p of both: one-sided, of "no slope", over pairs that
#: share donors and hosts. Neither speaks for or against an artefact; both back the paste effect.
SLOPE, RANK = "dose_slope", "dose_rank"


@dataclass(frozen=True)
class Dose:
    """Response to growing doses.

    Attributes
    ----------
    doses
        (k,) the doses.
    means
        (k,) the mean answer at each, in margins.
    slope, rank
        Per unit of dose, and how reliably upwards; see above.
    """

    doses: tuple[float, ...]
    means: tuple[float, ...]
    slope: Signal
    rank: Signal

    @property
    def signals(self) -> dict[str, Signal]:
        """Slope and rank by name."""
        return {SLOPE: self.slope, RANK: self.rank}


def paste_dose(bench: Bench, pasted: Transfer, outcome: int, scale: Scale) -> Dose:
    """Blend the pasted crops in by parts; none and all of it are known already."""
    between = [
        bench.logits([paste_crop(bench, pair, pair.facet, strength) for pair in pasted.pairs])
        for strength in DOSES[1:-1]
    ]
    return respond(DOSES, [pasted.clean, *between, pasted.with_facet], outcome, scale, *pasted.shared)


def respond(
    doses: Sequence[float],
    answers: Sequence[Logits],
    outcome: int,
    scale: Scale,
    *shared: NDArray[np.int64],
) -> Dose:
    """Sum up the answers (n, classes) of the same pairs at each dose.

    Parameters
    ----------
    doses
        Rising.
    shared
        Arrays (n,): which sample a pair has in common with others.
    """
    levels = np.asarray(doses, dtype=np.float64)
    responses = np.stack([scale(logits, outcome) for logits in answers], axis=1)
    found = [
        summarise(one, np.zeros(len(one)), *shared, bound=np.inf)
        for one in (_slopes(levels, responses), _ranks(responses))
    ]
    slope, rank = (Signal(one.estimate, one.p) for one in found)
    return Dose(tuple(doses), tuple(responses.mean(axis=0).tolist()), slope, rank)


def _slopes(doses: _Values, responses: _Values) -> _Values:
    """Fit a straight line to every row of (n, k) and give its slopes (n,)."""
    centred = doses - doses.mean()
    return np.asarray(responses @ centred / (centred**2).sum())


def _ranks(responses: _Values) -> _Values:
    """Correlate every row's ranks (n, k) with 1, 2, ..., k; rows that never change give 0."""
    ranks = rankdata(responses, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    order = np.arange(responses.shape[1]) - (responses.shape[1] - 1) / 2
    length = np.sqrt((ranks**2).sum(axis=1) * (order**2).sum())
    return np.asarray((ranks @ order) / np.maximum(length, 1e-12))


class Walkable(Protocol):
    """A generator whose latent axes can be walked, as those of :mod:`foveal_audit.generators` are."""

    axis_sd: NDArray[np.float32]

    def draw(self, n: int, seed: int) -> NDArray[np.float32]:
        """Draw latents (n, d)."""

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn latents (n, d) into crops (n, C, *s) in [0, 1]."""


def generator_dose(
    generator: Walkable,
    axis: int,
    bench: Bench,
    hosts: Sequence[int],
    windows: Sequence[Window],
    outcome: int,
    scale: Scale,
    seed: int,
    span: Span = FULL,
) -> Dose:
    """Walk a latent axis and paste what comes out: the dose is the position on the axis.

    Draw i is put at two deviations below to two above the draws' mean on the axis and pasted into host i at
    window i, so that along a pair nothing changes but the axis.

    Parameters
    ----------
    generator, axis
        The facet's generator and the number of its axis.
    bench
        The audited model on its samples.
    hosts, windows
        (n,) numbers of samples without the facet, and where to paste in each.
    outcome, scale
        The class and how its answers are read.
    seed
        Seeds the draws.
    span
        Which values the generator's 0 and 1 stand for.

    Returns
    -------
    Slope per standard deviation of the axis, and rank; p one-sided for a rise. An axis has no good end: for a
    fall look at 1 - p.
    """
    bases = generator.draw(len(hosts), seed)
    middle = float(bases[:, axis].mean())
    pictures = [bench.pixels(host) for host in hosts]
    answers = []
    for step in STEPS:
        moved = bases.copy()
        moved[:, axis] = middle + step * generator.axis_sd[axis]
        crops = generator.decode(moved)
        pasted = [
            fill_from(host, window, _patch(crop, window, host, span))
            for host, window, crop in zip(pictures, windows, crops, strict=True)
        ]
        answers.append(bench.logits(pasted))
    return respond(STEPS, answers, outcome, scale, np.asarray(hosts, dtype=np.int64))


def _patch(crop: NDArray[np.float32], window: Window, host: Values, span: Span) -> Values:
    """Bring a crop (C, *s) in [0, 1] to a window's size and a host's kind of values."""
    axes = len(window) // 2
    sides = [high - low for low, high in zip(window[:axes], window[axes:], strict=True)]
    shares = np.moveaxis(resized(np.moveaxis(crop, 0, -1), sides), 0, -1).clip(0, 1)
    if span == FULL:
        return in_type(shares * np.iinfo(host.dtype).max, host.dtype)
    return span.values(shares, host.dtype)
