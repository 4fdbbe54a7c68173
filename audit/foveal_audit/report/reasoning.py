"""Why a verdict is what it is, in steps that follow the rule: used, irrelevant, no chance find, and so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from foveal_audit.bundle.schema import Assessment, Effect
from foveal_audit.bundle.summary import Verdict
from foveal_audit.judgement.assessing import measured_of, strongest
from foveal_audit.judgement.fusion import FUSION, Fusion
from foveal_audit.judgement.verdict import Measured, Thresholds, necessity, transfer
from foveal_audit.nouns import axes_of, say
from foveal_audit.report.error_rates import measured_rates
from foveal_audit.report.properties import is_property
from foveal_audit.report.wording import beyond, change, effect_terms, percent, score


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


#: From this effect of a control on it is spoken of.
_CONTROL = 0.05
#: Controls that say what of the detail counts: when, and in which words.
_CONTROLS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "control_scrambled": (
        lambda value: value >= 0.5,
        "Its colours and grain count more than its shape: without its shape {share} of the effect is left.",
    ),
    "paste_elsewhere": (
        lambda value: value <= 0.25,
        "Its place counts: pasted at a random place it keeps {share} of the effect.",
    ),
}


@dataclass(frozen=True)
class _Facet:
    assessment: Assessment
    measured: Measured
    limits: Thresholds

    def say(self, words: str) -> str:
        """Say it of the facet's kind of samples."""
        return say(words, axes_of(self.assessment))


def why(assessment: Assessment, rule: Rule) -> list[str]:
    """Say why a facet got its verdict, a sentence for each step of the rule."""
    about = _Facet(assessment, measured_of(assessment, rule.fusion), rule.limits)
    if assessment.effects.removal is None and assessment.effects.paste is None:
        none = "No experiment was possible: too few pictures with it, or without it, can be read."
        return [about.say(none)]
    return [line for step in _STEPS[assessment.verdict] for line in [step(about)] if line]


def _used(one: _Facet) -> str:
    needed, costs, moves = one.limits.relied, necessity(one.measured), transfer(one.measured)
    if costs >= needed and moves >= needed:
        return "The model uses it: the answer weakens without it, and it alone moves the answer elsewhere."
    if moves >= needed:
        return one.say("The model uses it: it alone moves the answer of other pictures.")
    if costs >= needed:
        lacks = "The model uses it: the answer weakens without it. It alone does not move other pictures."
        return one.say(lacks)
    return f"The model uses it: the recorded reliance is {one.assessment.reliance:.2f}."


def _irrelevant(one: _Facet) -> str:
    needed = one.limits.irrelevant
    return (
        f"It seems to have nothing to do with the task: irrelevance {score(one.assessment.irrelevance)}, "
        f"where {needed:.2f} is needed for a finding."
    )


def _belongs(one: _Facet) -> str:
    return (
        "Too little says that it does not belong to the task: "
        f"irrelevance {score(one.assessment.irrelevance)}, and below {one.limits.doubtful:.2f} nothing is "
        "held against it."
    )


def _no_chance(one: _Facet) -> str:
    q = one.assessment.q_value
    if q is None:
        return ""
    rate = "fewer than 1 in 1,000" if q < 0.001 else f"{q:.1%}"
    clean = measured_rates().rates["clean"]
    return (
        f"It is hardly a chance find: of all facets as clear as this, {rate} would be there by chance (q). "
        "Chance is not the only way to err: where the truth was planted, the audit flagged something in "
        f"{clean.found} of {clean.total} {one.say('clean models')}."
    )


def _proof(_: _Facet) -> str:
    return "It is needed, it is enough, and its effect passes through this unit: hence confirmed."


def _unproven(one: _Facet) -> str:
    m, t = one.measured, one.limits
    if is_property(one.assessment):
        whole = (
            "Suspected: a property of whole pictures passes through no one unit, so it is never confirmed."
        )
        return one.say(whole)
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
    effects, terms = one.assessment.effects, effect_terms(one.assessment)
    tests = {"removal": effects.removal, "paste": effects.paste}
    told = [_tried(terms[name].name, effect) for name, effect in tests.items() if effect]
    return (
        f"No experiment showed that it supports the answer by {one.limits.relied:.2f} of its probability, "
        f"which is the least that counts as use: {'; '.join(told)}."
    )


def _tried(name: str, effect: Effect) -> str:
    """Say what an experiment gave, and what its control did."""
    found = f"{name.lower()} {beyond(effect)}"
    if effect.controls is None or abs(effect.controls) < _CONTROL:
        return found
    return f"{found}, where the control itself moved the answer by {change(effect.controls)}"


def _mostly_what(one: _Facet) -> str:
    """Say where the experiments' controls have as much of the effect as the detail itself."""
    found = one.assessment.signals
    said = [
        one.say(line).format(share=percent(found[name].value))
        for name, (holds, line) in _CONTROLS.items()
        if name in found and holds(found[name].value)
    ]
    return " ".join(said)


def _goes_with(one: _Facet) -> str:
    """Give the recorded sentence about metadata that goes with the facet within one class."""
    return " ".join(line for line in one.assessment.reasons if line.startswith("It goes with "))


def _open(one: _Facet) -> str:
    m, t, found = one.measured, one.limits, one.assessment.irrelevance
    if m.confounded > 0:
        column = strongest(one.assessment, "coincides_with")[0]
        return (
            f"It goes with \u201c{column}\u201d, which coincides with the class in training, so that what "
            "the model learned of the one cannot be told from what it learned of the other."
        )
    if found >= t.irrelevant and transfer(m) < t.relied:
        return one.say(
            f"It seems irrelevant ({found:.2f}), but it alone was not shown to move other pictures."
        )
    if found >= t.irrelevant:
        return f"It seems irrelevant ({found:.2f}), but among so many facets that may be chance."
    return (
        f"It may have nothing to do with the task: irrelevance {found:.2f}, from {t.doubtful:.2f} on too "
        f"much to call it genuine, below {t.irrelevant:.2f} too little for a finding. An expert decides."
    )


_STEPS: Mapping[Verdict, tuple[Callable[[_Facet], str], ...]] = {
    "confirmed": (_used, _mostly_what, _irrelevant, _goes_with, _no_chance, _proof),
    "suspected": (_used, _mostly_what, _irrelevant, _goes_with, _no_chance, _unproven),
    "genuine": (_used, _belongs),
    "not_relied_on": (_unused,),
    "undecidable": (_used, _mostly_what, _open),
}
