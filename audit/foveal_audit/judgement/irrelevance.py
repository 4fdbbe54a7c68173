"""How little a facet has to do with the task: of windows by the fitted model, of whole pictures by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from foveal_audit.judgement.fusion import FUSION, Fusion

#: What has less than this outside of the regions of interest may belong to the outcome after all: beyond
#: these log-odds it is not irrelevant but undecidable.
_INSIDE, _DOUBT = 0.6, 0.0
#: A facet with this signal is a property of whole pictures.
PROPERTY = "property_ubiquity"


@dataclass(frozen=True)
class Demand:
    """What a property must have: from ``least`` on it speaks for an artefact, log-odds of 1 a ``unit``."""

    signal: str
    least: float
    unit: float


#: Seen in most tiles, hardly seen in other classes, what the causal test carried over, and no rare kind of
#: the class, which nobody can tell from a rare artefact.
_DEMANDS = (
    Demand(PROPERTY, 0.3, 0.1),
    Demand("property_purity", 0.7, 0.05),
    Demand("property_fidelity", 0.6, 0.1),
    Demand("property_prevalence", 0.12, 0.1),
)


def is_property(signals: Mapping[str, object]) -> bool:
    """Tell a property of whole pictures from a facet of windows."""
    return PROPERTY in signals


def log_odds(signals: Mapping[str, float], fusion: Fusion = FUSION) -> float:
    """Give the log-odds that a facet is irrelevant.

    Parameters
    ----------
    signals
        Recorded name to value.
    fusion
        The model for facets of windows.

    Returns
    -------
    Of a property of whole pictures what its weakest demand says, as all of them must hold.
    """
    if not is_property(signals):
        found = fusion.log_odds(signals)
        return min(found, _DOUBT) if signals.get("outside_object", 1.0) < _INSIDE else found
    return min((signals.get(one.signal, 0.0) - one.least) / one.unit for one in _DEMANDS)
