"""Why a verdict is what it is, in steps that follow the rule: used, irrelevant, no chance find, and so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from foveal_audit.bundle.schema import Assessment
from foveal_audit.bundle.summary import Verdict
from foveal_audit.judgement.assessing import measured_of, strongest
from foveal_audit.judgement.fusion import FUSION, Fusion
from foveal_audit.judgement.verdict import Measured, Thresholds, necessity, reliance, transfer
from foveal_audit.report.properties import is_property


@dataclass(frozen=True)
class Rule:
    """What an audit recorded of its rule: limits, and the model that weighs signs."""

    limits: Thresholds
    fusion: Fusion

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Rule:
        """Read the settings of a bundle; what they do not say is today's rule."""
        recorded = config.get("thresholds") or {}
        known = {one.name: recorded[one.name] for one in fields(Thresholds) if one.name in recorded}
        fusion = Fusion.read(config["fusion"]) if "fusion" in config else FUSION
        return cls(Thresholds(**known), fusion)


@dataclass(frozen=True)
class _Facet:
    assessment: Assessment
    measured: Measured
    limits: Thresholds


def why(assessment: Assessment, rule: Rule) -> list[str]:
    """Say why a facet got its verdict, a sentence for each step of the rule."""
    about = _Facet(assessment, measured_of(assessment, rule.fusion), rule.limits)
    if assessment.effects.removal is None and assessment.effects.paste is None:
        return ["No experiment was possible: too few pictures with it, or without it, can be read."]
    return [line for step in _STEPS[assessment.verdict] for line in [step(about)] if line]


def _used(one: _Facet) -> str:
    needed, costs, moves = one.limits.relied, necessity(one.measured), transfer(one.measured)
    if costs >= needed and moves >= needed:
        return "The model uses it: the answer weakens without it, and it alone moves the answer elsewhere."
    if moves >= needed:
        return "The model uses it: it alone moves the answer of other pictures."
    if costs >= needed:
        return "The model uses it: the answer weakens without it. It alone does not move other pictures."
    return f"The model uses it: the recorded reliance is {one.assessment.reliance:.2f}."


def _irrelevant(one: _Facet) -> str:
    needed = one.limits.irrelevant
    return (
        f"It seems to have nothing to do with the task: irrelevance {one.assessment.irrelevance:.2f}, "
        f"where {needed:.2f} is needed for a finding."
    )


def _belongs(one: _Facet) -> str:
    return (
        f"Too little says that it does not belong to the task: irrelevance {one.assessment.irrelevance:.2f}, "
        f"and below {one.limits.doubtful:.2f} nothing is held against it."
    )


def _no_chance(one: _Facet) -> str:
    q = one.assessment.q_value
    if q is None:
        return ""
    rate = "fewer than 1 in 1,000" if q < 0.001 else f"{q:.1%}"
    return f"It is hardly a chance find: of all facets as clear as this, {rate} would be false ones."


def _proof(_: _Facet) -> str:
    return "It is needed, it is enough, and its effect passes through this unit: hence confirmed."


def _unproven(one: _Facet) -> str:
    m, t = one.measured, one.limits
    if is_property(one.assessment):
        return "Suspected: a property of whole pictures passes through no one unit, so it is never confirmed."
    lacks = {
        "taking it out alone costs the answer too little to be sure of": necessity(m) < t.relied,
        "that its effect passes through this unit was not shown": (m.mediation or 0) < t.mediated,
        f"its irrelevance is below {t.confirmed_irrelevance:.2f}": (
            one.assessment.irrelevance < t.confirmed_irrelevance
        ),
    }
    said = "; ".join(name for name, holds in lacks.items() if holds)
    return f"Suspected, not confirmed: {said}." if said else "Suspected: an expert should look."


def _unused(one: _Facet) -> str:
    return (
        f"No experiment moved the answer by {one.limits.relied:.2f} of its probability, which is the least "
        f"that counts as use (reliance {reliance(one.measured, one.limits):.2f})."
    )


def _open(one: _Facet) -> str:
    m, t, found = one.measured, one.limits, one.assessment.irrelevance
    if m.confounded > 0:
        column = strongest(one.assessment, "coincides_with")[0]
        return (
            f"It goes with \u201c{column}\u201d, which coincides with the class in training, so that what "
            "the model learned of the one cannot be told from what it learned of the other."
        )
    if found >= t.irrelevant and transfer(m) < t.relied:
        return f"It seems irrelevant ({found:.2f}), but it alone was not shown to move other pictures."
    if found >= t.irrelevant:
        return f"It seems irrelevant ({found:.2f}), but among so many facets that may be chance."
    return (
        f"It may have nothing to do with the task: irrelevance {found:.2f}, from {t.doubtful:.2f} on too "
        f"much to call it genuine, below {t.irrelevant:.2f} too little for a finding. An expert decides."
    )


_STEPS: Mapping[Verdict, tuple[Callable[[_Facet], str], ...]] = {
    "confirmed": (_used, _irrelevant, _no_chance, _proof),
    "suspected": (_used, _irrelevant, _no_chance, _unproven),
    "genuine": (_used, _belongs),
    "not_relied_on": (_unused,),
    "undecidable": (_used, _open),
}
