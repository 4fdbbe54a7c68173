"""Irrelevance in one number: a small monotone logistic model of all signals, fitted on planted truth.

Pictures have one model, traces and volumes others: to be alike, or to lie at one place, is usual in the one
and tells something in the other. Every term may only push in the direction that its signal is known to speak
for, and what was not measured pushes nowhere. ``tests/benchmarks/fit_fusion.py`` fits them, of pictures on
the tuning seeds of ``foveal bench``, of others on what ``tests/benchmarks/planted_plans.py`` keeps, and says
how well they do on kinds that were left out; the numbers are written into every bundle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from scipy.special import expit
from scipy.stats import norm

#: A signal says no more than it does at so many standard deviations.
_FARTHEST = 3.0


@dataclass(frozen=True)
class Term:
    """What one signal adds.

    Attributes
    ----------
    signal
        Its name, without the metadata column.
    direction
        1: higher speaks for an artefact; -1: lower does.
    centre, scale
        Its median and its standard deviation among the facets that the model was fitted on.
    weight
        Log-odds per standard deviation, 0 or more.
    """

    signal: str
    direction: int
    centre: float
    scale: float
    weight: float

    def adds(self, value: float) -> float:
        """Give the log-odds that a value adds."""
        far = self.direction * (value - self.centre) / self.scale
        return self.weight * min(max(far, -_FARTHEST), _FARTHEST)


@dataclass(frozen=True)
class Fusion:
    """A fitted model.

    Attributes
    ----------
    intercept
        Log-odds where nothing was measured.
    terms
        One per signal that counts.
    usual, spread
        Mean and standard deviation of the log-odds of genuine facets that the model was not fitted on.
    """

    intercept: float
    terms: tuple[Term, ...]
    usual: float
    spread: float

    def log_odds(self, signals: Mapping[str, float]) -> float:
        """Add up what the signals of a facet say.

        Parameters
        ----------
        signals
            Recorded name to value. Of one signal about several metadata columns that counts which says most.
        """
        return self.intercept + sum(self.said(signals).values())

    def said(self, signals: Mapping[str, float]) -> dict[str, float]:
        """Give per signal that was measured the log-odds that it adds."""
        found: dict[str, float] = {}
        terms = {term.signal: term for term in self.terms}
        for name, value in signals.items():
            kind = name.partition(":")[0]
            if kind in terms:
                found[kind] = max(found.get(kind, -float("inf")), terms[kind].adds(value))
        return found

    def p_value(self, log_odds: float) -> float:
        """Say how often a genuine facet seems as irrelevant as this: the normal tail of :attr:`usual`."""
        return float(norm.sf((log_odds - self.usual) / self.spread))

    def record(self) -> dict[str, Any]:
        """Write the model as it is kept and as bundles have it."""
        return {**asdict(self), "terms": [asdict(term) for term in self.terms]}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Fusion:
        """Read what :meth:`record` wrote."""
        terms = tuple(Term(**term) for term in record["terms"])
        return cls(record["intercept"], terms, record["usual"], record["spread"])


def share(log_odds: float) -> float:
    """Turn log-odds into a share, 0 to 1."""
    return float(expit(log_odds))


#: Where the model lies, by the number of axes of the samples.
SHIPPED: Mapping[int, str] = {1: "fusion_traces.json", 2: "fusion.json", 3: "fusion_volumes.json"}


def _shipped(name: str) -> Fusion:
    return Fusion.read(json.loads((files(__package__) / name).read_text()))


#: The models that audits use, by the number of axes; and that of pictures.
FUSIONS: Mapping[int, Fusion] = {axes: _shipped(name) for axes, name in SHIPPED.items()}
FUSION = FUSIONS[2]
