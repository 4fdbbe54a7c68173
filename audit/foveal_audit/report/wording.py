"""The report's words: what verdicts, tests, signals and gaps mean, and how numbers are written.

The report speaks of suspected or confirmed reliance. It never passes a legal or moral verdict on a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foveal.samples.places import place, size
from foveal_audit.bundle.evidence import PlacedRef
from foveal_audit.bundle.schema import Assessment, Effect, EntryRef, GapFinding
from foveal_audit.bundle.summary import Verdict
from foveal_audit.judgement.fusion import FUSION, FUSIONS
from foveal_audit.nouns import axes_of, say
from foveal_audit.report import properties
from foveal_audit.report.arguing import case_of
from foveal_audit.report.naming import Term

VERDICTS: Mapping[Verdict, Term] = {
    "confirmed": Term(
        "Confirmed reliance",
        "The causal tests show that the model uses it, and the signs that it has nothing to do with the task "
        "are strong.",
    ),
    "suspected": Term(
        "Suspected reliance",
        "The model uses it and there are signs that it has nothing to do with the task. "
        "An expert should look.",
    ),
    "genuine": Term("Genuine-looking", "The model uses it and too little speaks against it."),
    "not_relied_on": Term(
        "Not relied on", "It is in the library, but the model's answers do not depend on it."
    ),
    "undecidable": Term(
        "Undecidable", "The evidence is too thin or contradicts itself. An expert has to decide."
    ),
}

GAPS: Mapping[str, Term] = {
    "uncovered_group": Term(
        "Uncovered group", "A group of production samples unlike anything in the training library."
    ),
    "under_represented": Term(
        "Under-represented group", "Present in training, but far rarer there than in production."
    ),
    "missing_concept": Term(
        "Missing concept", "A concept known to matter has no examples in the training library."
    ),
    "ignored_concept": Term(
        "Ignored concept", "The training library holds examples, but no unit of the model responds to them."
    ),
    "conjunction": Term("Missing conjunction", "Two features occur in training, but never together."),
}

ACTIONS: Mapping[str, str] = {
    "acquire": "Acquire training samples like these.",
    "augment": "Add or augment training samples of this kind.",
    "relabel": "Check the labels of these samples.",
    "ask_expert": "Ask an expert whether this group matters.",
}

ARTEFACT_ACTION = (
    "Let a domain expert look at the crops. If the detail is not part of what the class means, "
    "remove or mask it in the training images, train again, and audit again."
)

PROPERTY_ACTION = (
    "Let a domain expert say whether the property is part of what the class means. If it is not, find out "
    "how it came into the pictures (camera, site, compression), even it out in training, train again, "
    "and audit again."
)

EFFECTS: Mapping[str, Term] = {
    "removal": Term("Removal", "probability the answer loses when the detail is painted over"),
    "paste": Term("Paste", "probability the answer gains when the detail is put into other images"),
    "mediation": Term("Mediation", "share of the paste effect that passes through this unit"),
}


def number(value: float) -> str:
    """Write a number with three significant digits and a real minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def score(value: float) -> str:
    """Write a score between 0 and 1; only a whole 1 is written as 1."""
    return "> 0.99" if 0.995 <= value < 1 else f"{value:.2f}"


def percent(share: float) -> str:
    """Write a share of 1 as a percentage; small ones keep two digits."""
    value = 100 * share
    return f"{value:.0f}%" if value >= 9.95 else f"{value:.2g}%"


def probability(value: float | None) -> str:
    """Write a p- or q-value; ``None`` is a dash."""
    if value is None:
        return "\u2013"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def change(value: float) -> str:
    """Write a change of a probability."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")


def times(log_odds: float) -> str:
    """Write log-odds as a factor on the odds: ``\u00d7 2.7`` or ``\u00f7 2.7``."""
    factor, sign = math.exp(abs(log_odds)), "\u00d7" if log_odds >= 0 else "\u00f7"
    return f"{sign}\u00a0{factor:.1f}"


def interval(effect: Effect) -> str:
    """Write an effect's interval."""
    return f"{change(effect.low)} to {change(effect.high)}"


def beyond(effect: Effect) -> str:
    """Write an effect with its interval: ``\u22120.13 (\u22120.32 to 0.05)``."""
    return f"{change(effect.estimate)} ({interval(effect)})"


def where(entry: EntryRef) -> str:
    """Say where an entry's window lies, in seconds or millimetres where its steps have a size, and in Hz."""
    return place(entry.window, spacing_of(entry), entry.band if isinstance(entry, PlacedRef) else None)


def spacing_of(entry: EntryRef) -> Sequence[float] | None:
    """Give the size of one step per axis of an entry's sample; None where it is unknown."""
    return entry.spacing if isinstance(entry, PlacedRef) else None


def sides(entries: Sequence[EntryRef]) -> str:
    """Say how large the windows of entries are; nothing where their steps have no size, or they differ."""
    told = {_size(one) for one in entries}
    return told.pop() if len(told) == 1 else ""


def _size(entry: EntryRef) -> str:
    spacing = spacing_of(entry)
    return "" if spacing is None else size(entry.window, spacing)


def top_class(assessment: Assessment) -> str | None:
    """Name the class that most of the facet's entries were given, or ``None``."""
    return max(assessment.classes, key=lambda name: assessment.classes[name], default=None)


def statement(assessment: Assessment) -> str:
    """Say in plain sentences what was found about a facet."""
    edits = _PROPERTY_EDITS if properties.is_property(assessment) else _EDITS
    taken, given = (say(edit, axes_of(assessment)) for edit in edits)
    sentences = [_leaning(assessment)]
    if removal := assessment.effects.removal:
        sentences.append(_changed(taken, "takes", "off", removal))
    if paste := assessment.effects.paste:
        sentences.append(_changed(given, "adds", "to", paste))
    return " ".join(sentences + _signs(assessment))


_EDITS = ("Painting it over", "Putting it into other images")
_PROPERTY_EDITS = ("Taking it away from its pictures", "Carrying it over to other pictures")


def effect_terms(assessment: Assessment) -> Mapping[str, Term]:
    """Name the experiments on a facet; a property is not painted over but carried over."""
    terms = properties.EFFECTS if properties.is_property(assessment) else {}
    axes = axes_of(assessment)
    return {name: Term(term.name, say(term.meaning, axes)) for name, term in {**EFFECTS, **terms}.items()}


def flat(card: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Write a nested record as lines of name and value; each record in a list is one line."""
    for key in sorted(card):
        name, value = f"{prefix}{key}", card[key]
        if isinstance(value, Mapping):
            yield from flat(value, f"{name} \u203a ")
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield from ((f"{name} \u203a {number}", _plain(one)) for number, one in enumerate(value, 1))
        else:
            yield name, _plain(value)


def _leaning(assessment: Assessment) -> str:
    wanted = top_class(assessment)
    whole = properties.is_property(assessment)
    leans = "leans on a recurring detail"
    if whole:
        of_whole = say("goes by a property of the whole picture", axes_of(assessment))
        leans = f"{of_whole}: {properties.carriers_have(assessment)}"
    if wanted is None:
        return f"The model {leans}."
    entries = say("pictures that carry it", axes_of(assessment)) if whole else "entries"
    return f"The model {leans}. {_answers(assessment, entries)}"


def _answers(assessment: Assessment, entries: str) -> str:
    """Say what is answered where the facet shows; a second answer where the first is not most of them."""
    (wanted, often), *others = sorted(assessment.classes.items(), key=lambda one: -one[1])
    said = (
        f"Where it shows, the answer is most often \u201c{wanted}\u201d ({percent(often)} of the {entries})"
    )
    if often < 0.5 and others:
        said += f", then \u201c{others[0][0]}\u201d ({percent(others[0][1])})"
    return f"{said}."


#: Below this part an answer is not that of most, and the next is named too.
_MOST = 0.5
#: Sign to the sign that says the same of less.
_NARROWER: Mapping[str, str] = {"corner_lock": "position_lock"}


def _signs(assessment: Assessment) -> list[str]:
    """Say what argues most for an artefact, where the verdict is one."""
    if assessment.verdict not in ("confirmed", "suspected"):
        return []
    shown = assessment.entries
    fusion = FUSIONS[len(shown[0].window) // 2] if shown else FUSION
    found = case_of(assessment, fusion).artefact
    names = {one.name for one in found}
    # To keep to one place is to keep to it or to its mirror images: said once.
    strongest = [one.says for one in found if _NARROWER.get(one.name) not in names][:3]
    said = "; ".join(one[0].lower() + one[1:].rstrip(".") for one in strongest)
    return [f"Signs that it has nothing to do with the task: {said}."] if said else []


def _changed(edit: str, verb: str, preposition: str, effect: Effect) -> str:
    """Say what an edit does to the answer; an interval that holds 0 is no effect."""
    if effect.low <= 0:
        return f"{edit} has no measurable effect of that kind ({interval(effect)})."
    return f"{edit} {verb} {beyond(effect)} {preposition} the probability of that answer."


def _plain(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    return "\u2013" if value is None else str(value)


def gap_title(gap: GapFinding) -> str:
    """Name a gap finding."""
    return GAPS[gap.gap].name
