"""Sentences that several exports share; whatever came from data is made visible first."""

from __future__ import annotations

from foveal_audit.bundle.schema import ArtefactFinding, Assessment, Effect, Finding
from foveal_audit.report.page import visible

#: Says how sure the audit is, never more than that.
HOW_SURE = {
    "confirmed": "Confirmed reliance on an artefact",
    "suspected": "Suspected reliance on an artefact",
    "undecidable": "Undecided",
}
GAPS = {
    "uncovered_group": "A group of production samples that training does not hold",
    "under_represented": "A group that training holds too little of",
    "missing_concept": "Something production shows and training lacks",
    "ignored_concept": "Something the model does not respond to",
    "conjunction": "A combination that training lacks",
}
ACTIONS = {
    "acquire": "Acquire more samples like these.",
    "augment": "Augment training with samples like these.",
    "relabel": "Check the labels of these samples.",
    "ask_expert": "Ask an expert about these samples.",
}
DISMISSED = "Look at the crops; where an expert dismisses the facet, mask or remove it in the samples named."


def plain(text: str) -> str:
    """Write out what nobody sees but that changes what is seen."""
    return str(visible(text))


def title(finding: Finding) -> str:
    """Say in one sentence what was found."""
    if isinstance(finding, ArtefactFinding):
        return f"{HOW_SURE[finding.verdict]}: {plain(finding.feature)}, facet {finding.facet}."
    return plain(finding.statement)


def story(finding: Finding) -> str:
    """Say what was found, why, and what speaks against it."""
    reasons = [plain(one) for one in finding.reasons]
    doubts = [f"Against it: {plain(one)}" for one in finding.counter_evidence]
    return " ".join([title(finding), *reasons, *doubts])


def mend(finding: Finding) -> str:
    """Say what to do about it."""
    return DISMISSED if isinstance(finding, ArtefactFinding) else ACTIONS[finding.action]


def effects(assessment: Assessment) -> dict[str, Effect]:
    """Give the causal tests that could be run, by name."""
    named = ((name, getattr(assessment.effects, name)) for name in ("removal", "paste", "mediation"))
    return {name: effect for name, effect in named if effect is not None}
