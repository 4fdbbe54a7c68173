"""Judge one facet: measure its signals and its causal effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bench import ModelBench
from foveal_audit.judgement.effects import measure_effects
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.signals.question import Question
from foveal_audit.judgement.signals.registry import measure
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Windows


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
class Judged:
    """What was measured about a facet."""

    facet: Facet
    outcome: int
    signals: dict[str, Signal]
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
    asked = Question(windows, outcome, around, bench, int(rng.integers(2**31)), facet.windows)
    found = measure(asked) if len(windows) > 1 else {}
    tested = bench.readable[windows.owner]
    effects = measure_effects(windows.take(tested), facet.unit, outcome, present, around, bench, rng)
    formed = {name: Signal(value, None) for name, value in facet.unit.formation.signals().items()}
    signals = {**found, **formed, **effects.extra}
    return Judged(facet, outcome, signals, effects.removal, effects.paste, effects.mediation)


def _main_class(predicted: NDArray[np.int64]) -> int:
    return int(np.bincount(predicted).argmax()) if len(predicted) else 0
