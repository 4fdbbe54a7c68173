"""Judge properties of whole pictures beside the facets of windows."""

from __future__ import annotations

import numpy as np

from foveal_audit.bench import ModelBench
from foveal_audit.judgement.effects import PASTE_MARGIN, REMOVAL_MARGIN
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.signals.metadata import metadata
from foveal_audit.judgement.signals.question import Question
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.properties.facet import PropertyFacet
from foveal_audit.properties.finding import PropertySettings, find_properties


def judge_properties(around: Surroundings, bench: ModelBench, rng: np.random.Generator) -> list[Judged]:
    """Find the properties of whole pictures that a model goes by, and measure them.

    Parameters
    ----------
    around
        The samples, what experts marked in them, and how thorough the audit is.
    bench
        The audited model on them.
    rng
        Source of all chance.
    """
    found = find_properties(around.samples, bench, PropertySettings(around.pairs), rng, around.rois)
    return [_judged(one, around, bench, int(rng.integers(2**31))) for one in found]


def _judged(found: PropertyFacet, around: Surroundings, bench: ModelBench, seed: int) -> Judged:
    asked = Question(found.windows, found.outcome, around, bench, seed)
    signals = {**found.signals, **_margins(found), **metadata(asked)}
    facet = Facet(found.unit, found.number, found.windows)
    return Judged(facet, found.outcome, signals, found.removal, found.paste, found.mediation)


def _margins(found: PropertyFacet) -> dict[str, Signal]:
    """Give the effects on the logit the names that they have for windows."""
    if found.transferred is None:
        return {}
    effects = {REMOVAL_MARGIN: found.transferred.removal_logit, PASTE_MARGIN: found.transferred.paste_logit}
    return {name: Signal(effect.estimate, effect.p) for name, effect in effects.items()}
