"""All causal effects of one facet: taken out, pasted in, through its unit, and what the pasting needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveal.features import CLASS
from foveal.records import Window
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.asking import Scale
from foveal_audit.judgement.dose import paste_dose
from foveal_audit.judgement.mediating import mediation
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.places import Placed
from foveal_audit.judgement.profile import strongest_control, transfer_profile
from foveal_audit.judgement.removal import remove
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.judgement.transfer import Transfer, transfer
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Windows

#: The effects as changes of the class's centred logit, in its standard deviations over clean samples; p:
#: one-sided, of "no effect". A network that is too sure of itself shows nothing as a probability: both are
#: signs of reliance, and speak neither for nor against an artefact.
REMOVAL_MARGIN, PASTE_MARGIN = "removal_margin", "paste_margin"
#: Samples without which nothing can be tested; clean samples that give the unit of margins.
_FEWEST, _SCALED = 5, 128
#: Pairs at most that mediation, and that the profile, the controls and the doses are measured on.
_MEDIATED, _PROFILED = 64, 24
#: A margin from which on an effect is followed even where it hardly shows as a probability.
_FOLLOWED = 0.25


@dataclass(frozen=True)
class EffectsMeasured:
    """What causal tests measured; None where one could not be run.

    Attributes
    ----------
    removal, paste
        Changes of the class probability, -1 to 1.
    mediation
        Share of the paste effect through the unit, 0 to 1.
    extra
        Signals beside them, see :mod:`foveal_audit.judgement.profile` and ``dose``.
    """

    removal: Effect | None = None
    paste: Effect | None = None
    mediation: Effect | None = None
    extra: dict[str, Signal] = field(default_factory=dict)


def measure_effects(
    windows: Windows,
    unit: Unit,
    outcome: int,
    present: NDArray[np.bool_],
    around: Surroundings,
    bench: ModelBench,
    rng: np.random.Generator,
) -> EffectsMeasured:
    """Run all causal tests of a facet.

    Parameters
    ----------
    windows
        Its windows in samples that can be read.
    unit
        What carries it.
    outcome
        The class it speaks for.
    present
        Mask of the samples that show it.
    around
        What it is held against.
    bench
        The audited model on the samples.
    rng
        Source of all chance.
    """
    usable = around.training & bench.readable
    hosts = np.flatnonzero(usable & ~present).tolist()
    foreign = np.flatnonzero(usable & ~present & (around.samples.predicted != outcome)).tolist()
    placed = _placed(windows, around)
    donors = [place for place in placed if around.samples.predicted[place.sample] == outcome]
    if len(placed) < THRESHOLDS.fewest or min(len(hosts), len(foreign), len(donors)) < _FEWEST:
        return EffectsMeasured()
    margin = Scale(bench.spread(spaced(np.flatnonzero(usable))))
    removed = remove(bench, placed, hosts, rng, around.pairs, around.taken)
    pasted = transfer(bench, donors, foreign, outcome, rng, around.pairs, around.taken)
    paste, in_margins = pasted.effect(outcome), pasted.effect(outcome, margin)
    extra = {REMOVAL_MARGIN: _signal(removed.effect(margin)), PASTE_MARGIN: _signal(in_margins)}
    mediated = None
    if _is_worth_following(paste, in_margins):
        extra |= _followed(bench, pasted.first(_PROFILED), outcome, margin, rng)
        if unit.layer != CLASS:  # a logit cannot be held: it is what is measured
            mediated = mediation(bench, pasted.first(_MEDIATED), outcome, unit, rng)
    return EffectsMeasured(removed.effect(), paste, mediated, extra)


def _is_worth_following(paste: Effect, margin: Effect) -> bool:
    """Say whether there is an effect whose ways and needs can be measured: parts of nothing are noise."""
    return paste.low > 0 and (paste.estimate >= THRESHOLDS.relied or margin.estimate >= _FOLLOWED)


def _followed(
    bench: ModelBench, pasted: Transfer, outcome: int, margin: Scale, rng: np.random.Generator
) -> dict[str, Signal]:
    return {
        **transfer_profile(bench, pasted, outcome, margin, rng),
        **strongest_control(bench, pasted, outcome, margin, rng),
        **paste_dose(bench, pasted, outcome, margin).signals,
    }


def _signal(effect: Effect) -> Signal:
    return Signal(effect.estimate, effect.p)


def spaced(rows: NDArray[np.int64]) -> list[int]:
    """Choose rows all over, the same for every facet."""
    places = np.linspace(0, len(rows) - 1, min(_SCALED, len(rows))).astype(np.int64)
    return [int(row) for row in rows[np.unique(places)]]


def _placed(windows: Windows, around: Surroundings) -> Sequence[Placed]:
    return [
        _place(int(owner), tuple(box), around.taken.get(int(owner), ()))
        for owner, box in zip(windows.owner, windows.boxes.tolist(), strict=True)
    ]


def _place(owner: int, window: Window, taken: tuple[Window, ...]) -> Placed:
    """Keep controls off a node's window too: it need not be among those of contributions."""
    return Placed(owner, window, taken if window in taken else (*taken, window))
