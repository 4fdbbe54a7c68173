"""Walking a facet's generator: whether the model answers more, or less, along one of its axes."""

from __future__ import annotations

import numpy as np

from foveal.records import Window
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.asking import Scale
from foveal_audit.judgement.dose import Dose, Walkable, generator_dose
from foveal_audit.judgement.effects import spaced
from foveal_audit.judgement.places import same_place
from foveal_audit.judgement.signals import Signal
from foveal_audit.windows import Samples, Windows

#: What a step of one standard deviation along the axis to which the model answers most adds to the class, in
#: standard deviations of its centred logit; and Spearman's correlation of step and answer. An axis has no
#: good end: the sign says which, and p is two-sided, of "no axis matters". The axis comes after the colon.
#: Neither speaks for or against an artefact: they say what about the facet's appearance moves the model.
GENERATOR_SLOPE, GENERATOR_RANK = "generator_slope", "generator_rank"
#: Axes that are walked, samples that generated crops go into, and without how many nothing is asked.
_AXES, _HOSTS, _FEWEST = 3, 16, 5
#: No test of so few pairs is surer than this.
_LEAST = 1e-12


def walk_axes(
    generator: Walkable, windows: Windows, samples: Samples, bench: ModelBench, seed: int
) -> dict[str, Signal]:
    """Paste what a generator makes along its first axes into samples without the facet.

    Parameters
    ----------
    generator
        Of the facet.
    windows
        The facet's entries, of every source: generated crops go to places of those in training samples.
    samples, bench
        The samples, and the audited model on them.
    seed
        Chooses hosts, places and draws.

    Returns
    -------
    ``generator_slope:AXIS`` and ``generator_rank:AXIS`` of the axis with the clearest slope; nothing where
    fewer than five training samples of other classes can be read.
    """
    usable = samples.of("training") & bench.readable
    own = windows.take(usable[windows.owner])
    outcome = int(np.bincount(samples.predicted[own.owner], minlength=1).argmax())
    free = usable & (samples.predicted != outcome)
    free[windows.owner] = False
    rng = np.random.default_rng(seed)
    hosts = rng.permutation(np.flatnonzero(free))[:_HOSTS].tolist()
    if not len(own) or len(hosts) < _FEWEST:
        return {}
    places = _places(own, samples, bench, hosts, rng)
    scale = Scale(bench.spread(spaced(np.flatnonzero(usable))))
    walked = range(min(_AXES, len(generator.axis_sd)))
    span = windows.span
    return _clearest(
        [generator_dose(generator, axis, bench, hosts, places, outcome, scale, seed, span) for axis in walked]
    )


def _places(
    windows: Windows, samples: Samples, bench: ModelBench, hosts: list[int], rng: np.random.Generator
) -> list[Window]:
    """Give each host the place of a random window."""
    rows = rng.integers(0, len(windows), len(hosts))
    return [
        same_place(tuple(windows.boxes[row].tolist()), samples.shapes[windows.owner[row]], bench.pixels(host))
        for row, host in zip(rows, hosts, strict=True)
    ]


def _clearest(doses: list[Dose]) -> dict[str, Signal]:
    """Give the slope and rank of the axis with the smallest p-value, which is corrected for the choice."""
    ends = [_two_sided(dose.slope) for dose in doses]
    axis = min(range(len(doses)), key=lambda one: (ends[one], -abs(doses[one].slope.value)))
    chosen = doses[axis]
    return {
        f"{name}:{axis}": Signal(found.value, min(1.0, len(doses) * _two_sided(found)))
        for name, found in ((GENERATOR_SLOPE, chosen.slope), (GENERATOR_RANK, chosen.rank))
    }


def _two_sided(found: Signal) -> float:
    """Double the tail on the side that was found; what is exactly nothing is no find on either."""
    if found.p is None or found.value == 0:
        return 1.0
    return min(1.0, 2 * max(found.p if found.value > 0 else 1 - found.p, _LEAST))
