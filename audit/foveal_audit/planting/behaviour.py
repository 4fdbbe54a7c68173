"""The truth by behaviour: what a trained network does when one factor of its images is switched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from torch import nn

from foveal_audit.planting.case import Case, Mark
from foveal_audit.planting.drawing import ORACLE, Plan, draw, plan_sample
from foveal_audit.planting.learning import logits, prepared
from foveal_audit.planting.tasks import TASKS

#: A factor is relied on when it moves so many answers, or the class's logit by so many standard deviations,
#: and chance would do that at most once in a hundred cases.
FLIPPED, MOVED, CHANCE = 0.05, 0.5, 0.01
_FEWEST = 12

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Switch:
    """What switching one factor on does.

    Attributes
    ----------
    factor
        ``mark 0``, or the name of a core factor.
    outcome
        The class that it speaks for: a mark's own, or the one whose logit it raises most.
    effects
        Per class the mean change of the centred logit, in standard deviations of that logit without it.
    flipped
        Rise of the share of images that get the class.
    p
        Of such a change of the class's logit where there is none (signed ranks, Wilcoxon 1945).
    images
        Number of images that were switched.
    """

    factor: str
    outcome: int
    effects: tuple[float, ...]
    flipped: float
    p: float
    images: int

    @property
    def relied(self) -> bool:
        """Whether the network relies on the factor."""
        strong = abs(self.flipped) >= FLIPPED or abs(self.effects[self.outcome]) >= MOVED
        return strong and self.p < CHANCE


@dataclass(frozen=True)
class Behaviour:
    """All switches of a network, and the share of images from the same source as training it gets right."""

    switches: tuple[Switch, ...]
    accuracy: float


def ask(case: Case, network: nn.Module) -> Behaviour:
    """Switch every mark and every core factor of a case, on images that training never saw."""
    plans = [plan_sample(case, ORACLE, index) for index in range(case.sizes.oracle)]
    usual = _answers(network, [draw(case, plan).pixels for plan in plans])
    right = float((usual.argmax(axis=1) == [plan.outcome for plan in plans]).mean())
    marks = [_switch_mark(case, network, plans, number) for number in range(len(case.marks))]
    core = [_switch_core(case, network, plans, usual, name) for name in TASKS[case.task].core]
    return Behaviour(tuple(one for one in (*marks, *core) if one is not None), right)


def _answers(network: nn.Module, images: Sequence[NDArray[np.uint8]]) -> Logits:
    """Ask for logits about their mean: what all classes gain alike decides nothing."""
    found = logits(network, prepared(np.stack(images)))
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def _switch_mark(case: Case, network: nn.Module, plans: Sequence[Plan], number: int) -> Switch:
    on = _answers(network, [draw(case, plan, on=(number,)).pixels for plan in plans])
    off = _answers(network, [draw(case, plan, off=(number,)).pixels for plan in plans])
    return compare(f"mark {number}", on, off, _own_class(case.marks[number]))


def _own_class(mark: Mark) -> int | None:
    return mark.target if mark.association in ("class", "site~class") else None


def _switch_core(
    case: Case, network: nn.Module, plans: Sequence[Plan], usual: Logits, name: str
) -> Switch | None:
    rows = [row for row, plan in enumerate(plans) if name in plan.factors]
    if len(rows) < _FEWEST:
        return None
    off = _answers(network, [draw(case, plans[row], without=(name,)).pixels for row in rows])
    return compare(name, usual[rows], off)


def compare(factor: str, on: Logits, off: Logits, outcome: int | None = None) -> Switch:
    """Hold the answers with a factor against those without it.

    Parameters
    ----------
    on, off
        Centred logits (n, classes) of the same images.
    outcome
        The class that matters; the one that gains most where none is given.
    """
    change = on - off
    effects = change.mean(axis=0) / np.maximum(off.std(axis=0), 1e-9)
    own = int(effects.argmax()) if outcome is None else outcome
    flipped = float((on.argmax(axis=1) == own).mean() - (off.argmax(axis=1) == own).mean())
    moved = change[:, own]
    p = float(wilcoxon(moved).pvalue) if np.any(moved) else 1.0
    return Switch(factor, own, tuple(float(value) for value in effects), flipped, p, len(on))
