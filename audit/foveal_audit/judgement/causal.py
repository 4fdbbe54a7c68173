"""Causal tests: take the facet out, paste it in, hold the unit still; the model's answer is the measure.

Every effect is a difference to a control of the same size in the same sample, so that damage done by
editing as such cancels. Effects are changes of the class probability, -1 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.images import Pixels
from foveal_audit.judgement.filling import fill_from, fill_smoothly
from foveal_audit.judgement.pairs import Effect, summarise
from foveal_audit.units.unit import Unit

_BOOTSTRAPS = 1000


class Bench(Protocol):
    """The audited model on its samples, as deployed."""

    def pixels(self, sample: int) -> Pixels:
        """Read one sample (H, W, C) by its number."""

    def probabilities(self, samples: Sequence[Pixels]) -> NDArray[np.float64]:
        """Ask the model: (n, classes), each row summing to 1."""

    def probabilities_held(
        self, changed: Sequence[Pixels], clean: Sequence[Pixels], windows: Sequence[Window], unit: Unit
    ) -> NDArray[np.float64]:
        """Ask the model about changed samples while the unit keeps the value it has in the clean ones."""


@dataclass(frozen=True)
class Placed:
    """One window of a facet: which sample, where, and which windows of that sample are taken."""

    sample: int
    window: Window
    taken: tuple[Window, ...]


def _overlap(a: Window, b: Window) -> int:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    return max(0, height) * max(0, width)


def control_window(placed: Placed, shape: Sequence[int], rng: np.random.Generator, tries: int = 40) -> Window:
    """Choose an equally large window of the same sample that touches what was found there the least."""
    y0, x0, y1, x1 = placed.window
    height, width = y1 - y0, x1 - x0
    tops = rng.integers(0, max(1, shape[0] - height + 1), tries)
    lefts = rng.integers(0, max(1, shape[1] - width + 1), tries)
    boxes = [(int(y), int(x), int(y) + height, int(x) + width) for y, x in zip(tops, lefts, strict=True)]
    return min(boxes, key=lambda box: sum(_overlap(box, window) for window in placed.taken))


def _same_place(window: Window, shape: Sequence[int], host: Pixels) -> Window:
    """Carry a window over to a sample of another size."""
    scale = (host.shape[0] / shape[0], host.shape[1] / shape[1]) * 2
    y0, x0, y1, x1 = (round(edge * factor) for edge, factor in zip(window, scale, strict=True))
    y0, x0 = min(y0, host.shape[0] - 1), min(x0, host.shape[1] - 1)
    return y0, x0, max(y1, y0 + 1), max(x1, x0 + 1)


def _cut(pixels: Pixels, window: Window) -> Pixels:
    y0, x0, y1, x1 = window
    return pixels[y0:y1, x0:x1]


def removal_effect(
    bench: Bench, facet: Sequence[Placed], hosts: Sequence[int], rng: np.random.Generator, pairs: int = 96
) -> Effect:
    """Measure how much of the predicted class's probability goes when the facet is taken out (necessity).

    Two fillers are tried, the surroundings' continuation and the same place of a sample without the facet;
    the smaller effect counts.

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
    """
    chosen = [facet[row] for row in rng.permutation(len(facet))[:pairs]]
    samples = [bench.pixels(placed.sample) for placed in chosen]
    controls = [
        control_window(placed, pixels.shape, rng) for placed, pixels in zip(chosen, samples, strict=True)
    ]
    neighbours = [bench.pixels(hosts[row]) for row in rng.integers(0, len(hosts), len(chosen))]
    before = bench.probabilities(samples)
    classes = before.argmax(axis=1)

    def smoothly(number: int, window: Window) -> Pixels:
        return fill_smoothly(samples[number], window, rng)

    def from_neighbour(number: int, window: Window) -> Pixels:
        there = _same_place(window, samples[number].shape, neighbours[number])
        return fill_from(samples[number], window, _cut(neighbours[number], there))

    def drop(fill: Callable[[int, Window], Pixels], windows: Sequence[Window]) -> NDArray[np.float64]:
        after = bench.probabilities([fill(number, window) for number, window in enumerate(windows)])
        rows = np.arange(len(classes))
        return np.asarray(before[rows, classes] - after[rows, classes])

    found = [placed.window for placed in chosen]
    # Several windows of one sample are no independent pairs.
    owners = np.array([placed.sample for placed in chosen])
    effects = [
        summarise(drop(fill, found), drop(fill, controls), owners) for fill in (smoothly, from_neighbour)
    ]
    return min(effects, key=lambda effect: effect.estimate)


@dataclass(frozen=True)
class Pasted:
    """Donor crops and their controls pasted into hosts, with the model's answers before."""

    clean: list[Pixels]
    windows: list[Window]
    with_facet: list[Pixels]
    with_control: list[Pixels]
    donors: list[int]
    hosts: list[int]


def paste_pairs(
    bench: Bench, facet: Sequence[Placed], hosts: Sequence[int], rng: np.random.Generator, pairs: int = 96
) -> Pasted:
    """Paste the facet's crops, and equally large crops from elsewhere in the donor, at the donor's place."""
    made = Pasted([], [], [], [], [], [])
    for donor_row, host_row in zip(
        rng.integers(0, len(facet), pairs), rng.integers(0, len(hosts), pairs), strict=True
    ):
        placed = facet[donor_row]
        donor, host = bench.pixels(placed.sample), bench.pixels(hosts[host_row])
        there = _same_place(placed.window, donor.shape, host)
        control = control_window(placed, donor.shape, rng)
        made.donors.append(placed.sample)
        made.hosts.append(int(hosts[host_row]))
        made.clean.append(host)
        made.windows.append(there)
        made.with_facet.append(fill_from(host, there, _cut(donor, placed.window)))
        made.with_control.append(fill_from(host, there, _cut(donor, control)))
    return made


@dataclass(frozen=True)
class Answers:
    """Probability of one outcome, float64 (n,) each: for clean hosts, with the facet, with its control."""

    clean: NDArray[np.float64]
    with_facet: NDArray[np.float64]
    with_control: NDArray[np.float64]


def ask(bench: Bench, pasted: Pasted, outcome: int) -> Answers:
    """Ask the model for the probability of ``outcome`` before and after pasting."""
    return Answers(
        bench.probabilities(pasted.clean)[:, outcome],
        bench.probabilities(pasted.with_facet)[:, outcome],
        bench.probabilities(pasted.with_control)[:, outcome],
    )


def paste_effect(pasted: Pasted, answers: Answers) -> Effect:
    """Measure how much probability the pasted facet brings to foreign samples (sufficiency)."""
    gain, control = answers.with_facet - answers.clean, answers.with_control - answers.clean
    return summarise(gain, control, np.array(pasted.donors), np.array(pasted.hosts))


def mediation(
    bench: Bench, pasted: Pasted, answers: Answers, outcome: int, unit: Unit, rng: np.random.Generator
) -> Effect:
    """Measure the share of the paste effect that flows through the unit, 0 to 1.

    The unit keeps, inside the pasted window, the value it has in the clean host; what is left of the
    effect did not pass through it: M = 1 - effect held / effect.
    """
    held = bench.probabilities_held(pasted.with_facet, pasted.clean, pasted.windows, unit)[:, outcome]
    lost, gain = answers.with_facet - held, answers.with_facet - answers.clean
    rows = rng.integers(0, len(gain), (_BOOTSTRAPS, len(gain)))
    shares = _share(lost[rows].mean(axis=1), gain[rows].mean(axis=1))
    low, high = np.quantile(shares, (0.025, 0.975))
    estimate = float(np.clip(_share(lost.mean(keepdims=True), gain.mean(keepdims=True))[0], low, high))
    p = (1 + np.count_nonzero(shares <= 0)) / (1 + _BOOTSTRAPS)
    return Effect(estimate, float(low), float(high), 0.0, float(p), len(gain))


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(part / np.maximum(whole, 1e-6), 0, 1)
