"""Judge one facet: measure its signals and its causal effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.features import CLASS
from foveal.records import Window
from foveal_audit.bench import ModelBench
from foveal_audit.judgement import causal, signals
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Samples, Windows

#: Names of the signals about a metadata column; the column follows after a colon.
TIED, COINCIDES = "conditional_association", "coincides_with"


@dataclass(frozen=True)
class Facet:
    """A facet before it is judged.

    Attributes
    ----------
    unit
        What carries it.
    number
        Its number inside the unit.
    windows
        Its entries, of every source.
    """

    unit: Unit
    number: int
    windows: Windows


@dataclass(frozen=True)
class Surroundings:
    """What a facet is held against.

    Attributes
    ----------
    samples
        All samples of the library.
    training
        Mask of the samples that are used to judge: those of the training source.
    pool_centres, pool_match
        Of the windows of all facets, from training samples: where they lie, and how a choice of them match.
    taken
        Per sample position every window found in it.
    pairs
        Edited samples per causal test.
    """

    samples: Samples
    training: NDArray[np.bool_]
    pool_centres: NDArray[np.float64]
    pool_match: NDArray[np.float32]
    taken: dict[int, tuple[tuple[int, ...], ...]]
    pairs: int


@dataclass(frozen=True)
class Judged:
    """What was measured about a facet."""

    facet: Facet
    outcome: int
    signals: dict[str, signals.Signal]
    removal: Effect | None
    paste: Effect | None
    mediation: Effect | None


def judge(facet: Facet, around: Surroundings, bench: ModelBench, rng: np.random.Generator) -> Judged:
    """Measure one facet.

    Parameters
    ----------
    facet
        Its windows, of every source; signals and tests use those from training samples.
    around
        What it is held against.
    bench
        The audited model on the samples.
    rng
        Source of all chance in the judgement of this facet.
    """
    windows = facet.windows.take(around.training[facet.windows.owner])
    present = np.zeros(len(around.samples), dtype=bool)
    present[windows.owner] = True
    outcome = _main_class(around.samples.predicted[windows.owner])
    appearance = _appearance(windows, around, rng) if len(windows) > 1 else {}
    associations = _associations(present, around, rng)
    tested = bench.readable[windows.owner]
    effects = _effects(windows.take(tested), facet.unit, outcome, present, around, bench, rng)
    return Judged(facet, outcome, {**appearance, **associations}, *effects)


def _main_class(predicted: NDArray[np.int64]) -> int:
    return int(np.bincount(predicted).argmax()) if len(predicted) else 0


def _appearance(
    windows: Windows, around: Surroundings, rng: np.random.Generator
) -> dict[str, signals.Signal]:
    centres = windows.centres(around.samples)
    return {
        "position_lock": signals.position_lock(centres, around.pool_centres, rng),
        "stamp_likeness": signals.stamp_likeness(windows.detail, around.pool_match, rng),
    }


def _associations(
    present: NDArray[np.bool_], around: Surroundings, rng: np.random.Generator
) -> dict[str, signals.Signal]:
    """Hold the facet against every metadata column of the training samples.

    A column that coincides with the outcome cannot be held against the facet given the outcome; what is left
    is the plain association, reported under another name.
    """
    rows = np.flatnonzero(around.training)
    outcomes = around.samples.outcomes[rows]
    found: dict[str, signals.Signal] = {}
    for column, values in around.samples.metadata.items():
        groups = np.unique(values[rows], return_inverse=True)[1].astype(np.int64)
        if not 2 <= len(np.unique(groups)) <= len(rows) // 10:
            continue  # the same for all, or another for each: nothing to hold against
        if coincidence(groups, outcomes) >= THRESHOLDS.confounded:
            found[f"{COINCIDES}:{column}"] = signals.plain_association(present[rows], groups, rng)
        elif signal := signals.conditional_association(present[rows], groups, outcomes, rng):
            found[f"{TIED}:{column}"] = signal
    return found


def coincidence(groups: NDArray[np.int64], outcomes: NDArray[np.int64]) -> float:
    """Say how far a metadata column and the outcome are the same thing: Cramer's V of their table, 0 to 1."""
    numbers = np.unique(outcomes)
    return float(max(signals.cramers_v(outcomes == number, groups) for number in numbers))


def _effects(
    windows: Windows,
    unit: Unit,
    outcome: int,
    present: NDArray[np.bool_],
    around: Surroundings,
    bench: ModelBench,
    rng: np.random.Generator,
) -> tuple[Effect | None, Effect | None, Effect | None]:
    usable = around.training & bench.readable & ~present
    hosts = np.flatnonzero(usable).tolist()
    foreign = np.flatnonzero(usable & (around.samples.predicted != outcome)).tolist()
    placed = _placed(windows, around)
    donors = [place for place in placed if around.samples.predicted[place.sample] == outcome]
    if len(placed) < THRESHOLDS.fewest or min(len(hosts), len(foreign), len(donors)) < 5:
        return None, None, None
    removal = causal.removal_effect(bench, placed, hosts, rng, around.pairs)
    pasted = causal.paste_pairs(bench, donors, foreign, rng, around.pairs)
    answers = causal.ask(bench, pasted, outcome)
    paste = causal.paste_effect(pasted, answers)
    asked = paste.low > 0 and unit.layer != CLASS  # a logit cannot be held: it is what is measured
    mediated = causal.mediation(bench, pasted, answers, outcome, unit, rng) if asked else None
    return removal, paste, mediated


def _placed(windows: Windows, around: Surroundings) -> Sequence[causal.Placed]:
    return [
        _place(int(owner), tuple(box), around.taken.get(int(owner), ()))
        for owner, box in zip(windows.owner, windows.boxes.tolist(), strict=True)
    ]


def _place(owner: int, window: Window, taken: tuple[Window, ...]) -> causal.Placed:
    """Keep controls off a node's window too: it need not be among those of contributions."""
    return causal.Placed(owner, window, taken if window in taken else (*taken, window))
