"""What argues for an artefact and what against it, the strongest first, as the verdict weighs it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foveal_audit.bundle.schema import Assessment, Signal
from foveal_audit.judgement.fusion import Fusion, share
from foveal_audit.judgement.irrelevance import is_property, log_odds
from foveal_audit.nouns import axes_of
from foveal_audit.report.naming import Term
from foveal_audit.report.naming import signal as named
from foveal_audit.report.sentences import SENTENCES, sentence

#: As many signs are shown on either side; the rest is in the table.
SHOWN = 5
#: Log-odds below which a sign argues for nothing.
_LEAST = 0.1
#: The demands on a property of whole pictures; all of them must hold.
_DEMANDS = ("property_ubiquity", "property_purity", "property_fidelity", "property_prevalence")


@dataclass(frozen=True)
class Argument:
    """One sign that argues.

    Attributes
    ----------
    name, signal
        As recorded.
    says
        A sentence.
    term
        What it is called.
    adds
        Log-odds; above 0 for an artefact. Of a demand: how far it is met.
    part
        Its size in percent of the largest of the facet, 0 to 100.
    """

    name: str
    signal: Signal
    says: str
    term: Term
    adds: float
    part: int

    @property
    def times(self) -> float:
        """The factor that it puts on the odds, 1 or more, on its own side."""
        return math.exp(abs(self.adds))


@dataclass(frozen=True)
class Case:
    """The few signs that argue most on either side, and how many were weighed."""

    artefact: Sequence[Argument]
    genuine: Sequence[Argument]
    weighed: int
    adds: Mapping[str, float]
    demands: bool
    held: bool


def case_of(assessment: Assessment, fusion: Fusion) -> Case:
    """Weigh the signs of a facet.

    Parameters
    ----------
    assessment
        The facet.
    fusion
        The model that the audit recorded.
    """
    values = {name: one.value for name, one in assessment.signals.items()}
    demands = is_property(values)
    adds = _demanded(values) if demands else _weighed(values, fusion)
    telling = sorted((name for name in adds if abs(adds[name]) >= _LEAST), key=lambda name: -abs(adds[name]))
    largest = max((abs(one) for one in adds.values()), default=1.0) or 1.0
    made = [_argument(assessment, name, adds[name], largest) for name in telling]
    return Case(
        [one for one in made if one.adds > 0][:SHOWN],
        [one for one in made if one.adds < 0][:SHOWN],
        len(adds),
        adds,
        demands,
        held=not demands and log_odds(values, fusion) < fusion.log_odds(values) - 1e-9,
    )


def start(fusion: Fusion) -> float:
    """Give the irrelevance of a facet of which nothing was measured, 0 to 1."""
    return share(fusion.intercept)


def _argument(one: Assessment, name: str, adds: float, largest: float) -> Argument:
    signal, axes = one.signals[name], axes_of(one)
    says = sentence(name, signal.value, for_it=adds > 0, axes=axes)
    return Argument(name, signal, says, named(name, axes), adds, round(100 * abs(adds) / largest))


def _weighed(values: Mapping[str, float], fusion: Fusion) -> dict[str, float]:
    """Give per sign what it adds; of one sign about several columns that which counts."""
    terms = {term.signal: term for term in fusion.terms if term.signal in SENTENCES}
    best: dict[str, tuple[float, str]] = {}
    for name, value in values.items():
        kind = name.partition(":")[0]
        if kind in terms:
            best[kind] = max(best.get(kind, (-math.inf, "")), (terms[kind].adds(value), name))
    return {name: adds for adds, name in best.values()}


def _demanded(values: Mapping[str, float]) -> dict[str, float]:
    """Ask the rule about each demand alone, the others being met."""
    met = dict.fromkeys(_DEMANDS, math.inf)
    return {name: log_odds({**met, name: values[name]}) for name in _DEMANDS if name in values}
