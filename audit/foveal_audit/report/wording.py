"""The report's words: what verdicts, tests, signals and gaps mean, and how numbers are written.

The report speaks of suspected or confirmed reliance. It never passes a legal or moral verdict on a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from foveal_audit.bundle.schema import Assessment, Effect, GapFinding
from foveal_audit.bundle.summary import Verdict


class Term(NamedTuple):
    """A name for people, and what it means."""

    name: str
    meaning: str


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
    "genuine": Term("Genuine-looking", "The model uses it and nothing suggests that it should not."),
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

#: A sign is named in the verdict when it would be this rare, or rarer, among matched random crops.
CLEAR_P = 0.05

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

EFFECTS: Mapping[str, Term] = {
    "removal": Term("Removal", "probability the answer loses when the detail is painted over"),
    "paste": Term("Paste", "probability the answer gains when the detail is put into other images"),
    "mediation": Term("Mediation", "share of the paste effect that passes through this unit"),
}

SIGNALS: Mapping[str, Term] = {
    "position_lock": Term("Position lock", "its windows keep to the same place in the image"),
    "stamp_likeness": Term(
        "Stamp-likeness", "its crops from different samples are near-copies, like a stamp"
    ),
    "near_duplicates": Term("Near-duplicates", "its crops from different samples are near-copies"),
    "class_enrichment": Term("Class enrichment", "it goes with one class"),
    "conditional_association": Term(
        "Metadata, given class", "it goes with a site, scanner or date even within one class"
    ),
    "outside_object": Term("Outside the object", "its evidence lies outside the object of interest"),
    "border": Term("Border", "its evidence lies in the outer frame of the image"),
    "synthetic_look": Term("Synthetic look", "flat colours, straight strokes, saturated pixels"),
    "redundancy": Term("Redundancy", "the label can be told without it"),
}


def signal(name: str) -> Term:
    """Name a signal; one about a metadata column adds it after a colon, an unknown one keeps its own name."""
    kind, _, column = name.partition(":")
    term = SIGNALS.get(kind, Term(kind.replace("_", " ").capitalize(), ""))
    return Term(f"{term.name}: {column}", term.meaning) if column else term


def number(value: float) -> str:
    """Write a number with three significant digits and a real minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def score(value: float) -> str:
    """Write a score between 0 and 1."""
    return f"{value:.2f}"


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


def interval(effect: Effect) -> str:
    """Write an effect's interval."""
    return f"{change(effect.low)} to {change(effect.high)}"


def window(box: tuple[int, ...]) -> str:
    """Say where a window lies; only pictures have rows and columns."""
    axes = len(box) // 2
    names = {1: ("points",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}[axes]
    spans = zip(names, box[:axes], box[axes:], strict=True)
    return ", ".join(f"{name} {start}\u2013{stop}" for name, start, stop in spans)


def top_class(assessment: Assessment) -> str | None:
    """Name the class that most of the facet's entries were given, or ``None``."""
    return max(assessment.classes, key=lambda name: assessment.classes[name], default=None)


def statement(assessment: Assessment) -> str:
    """Say in plain sentences what was found about a facet."""
    sentences = [_leaning(assessment)]
    if removal := assessment.effects.removal:
        sentences.append(_changed("Painting it over", "takes", "off", removal))
    if paste := assessment.effects.paste:
        sentences.append(_changed("Putting it into other images", "adds", "to", paste))
    return " ".join(sentences + _signs(assessment))


def flat(card: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Write a nested record as lines of name and value."""
    for key in sorted(card):
        name, value = f"{prefix}{key}", card[key]
        if isinstance(value, Mapping):
            yield from flat(value, f"{name} \u203a ")
        else:
            yield name, _plain(value)


def _leaning(assessment: Assessment) -> str:
    wanted = top_class(assessment)
    if wanted is None:
        return "The model leans on a recurring detail."
    share = percent(assessment.classes[wanted])
    answer = f"When the model answers \u201c{wanted}\u201d it leans on a recurring detail"
    return f"{answer} ({share} of the entries have this answer)."


def _signs(assessment: Assessment) -> list[str]:
    """Name the strongest signs of irrelevance, where they are what made the verdict."""
    clear = {name: s.p for name, s in assessment.signals.items() if s.p is not None and s.p <= CLEAR_P}
    if not clear or assessment.verdict not in ("confirmed", "suspected"):
        return []
    strongest = sorted(clear, key=lambda name: (clear[name], name))[:3]
    meanings = "; ".join(signal(name).meaning or signal(name).name for name in strongest)
    return [f"Signs that it has nothing to do with the task: {meanings}."]


def _changed(edit: str, verb: str, preposition: str, effect: Effect) -> str:
    """Say what an edit does to the answer; an interval that holds 0 is no effect."""
    if effect.low <= 0:
        return f"{edit} has no measurable effect of that kind ({interval(effect)})."
    size = f"{change(effect.estimate)} ({interval(effect)})"
    return f"{edit} {verb} {size} {preposition} the probability of that answer."


def _plain(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(one) for one in value)
    return "\u2013" if value is None else str(value)


def gap_title(gap: GapFinding) -> str:
    """Name a gap finding."""
    return GAPS[gap.gap].name
