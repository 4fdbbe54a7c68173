"""Names and meanings of everything that is measured of a facet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from foveal_audit.judgement.signals.registry import kind_of
from foveal_audit.nouns import PICTURE, say


class Term(NamedTuple):
    """A name for people, and what it means."""

    name: str
    meaning: str


#: Signs whose recorded name does not say what they are; the others are named as they are recorded.
_NAMES: Mapping[str, str] = {
    "stamp_likeness": "Stamp-likeness",
    "near_duplicates": "Near-duplicates",
    "outside_object": "Outside the object",
    "moves_with_roi": "Moves with the object",
    "conditional_association": "Metadata, given class",
    "coincides_with": "Metadata that coincides with the class",
    "runs": "Follow each other in time",
    "salience_elsewhere": "Something else stands out",
}

#: What is measured beside the signs: the experiments' controls, how the facet was formed, and properties.
_BESIDE: Mapping[str, Term] = {
    "removal_margin": Term(
        "Removal, logit",
        "what taking it out takes off the class's logit, in standard deviations over clean samples",
    ),
    "paste_margin": Term("Paste, logit", "what pasting it in adds to the class's logit, in the same unit"),
    "paste_elsewhere": Term("Paste elsewhere", "share of the paste effect that is left at a random place"),
    "paste_border": Term("Paste at the border", "share of the paste effect that is left at the border"),
    "context_independence": Term(
        "Context independence", "share of the paste effect that is left in pictures without any scene"
    ),
    "control_plain": Term(
        "Control: plain piece", "share of the effect that a piece of a picture without the detail has too"
    ),
    "control_blurred": Term("Control: blurred", "share of the effect that is left without its fine detail"),
    "control_scrambled": Term(
        "Control: scrambled", "share of the effect that its colours and grain have without its shape"
    ),
    "control_elsewhere": Term(
        "Control: elsewhere", "share of the effect that a piece from elsewhere in the same picture has too"
    ),
    "strongest_control": Term("Strongest control", "the largest share of the effect that any control has"),
    "dose_slope": Term("Dose, slope", "what the full detail adds to the logit, by a line through five doses"),
    "dose_rank": Term("Dose, rank", "whether more of the detail always does more; 1: always"),
    "generator_slope": Term(
        "Generator, slope", "how the answer changes along the axis of its generated variants"
    ),
    "generator_rank": Term("Generator, rank", "whether it changes in one direction along that axis"),
    "stability": Term(
        "Stability", "how much of the facet comes back when a part of the library is sorted; 0.6 is little"
    ),
    "separation": Term(
        "Separation", "distance to the next facet, in standard deviations; from 2.8 on they are apart"
    ),
    "property": Term("Property", "how far carriers are from the other pictures, in standard deviations"),
    "property_ubiquity": Term("Everywhere in the picture", "how surely even its weakest tiles show it"),
    "property_background": Term(
        "Everywhere in the background", "the same outside the regions of interest alone"
    ),
    "property_purity": Term("Purity", "share of the pictures that carry it that were given the class"),
    "property_prevalence": Term("Prevalence", "share of the class's pictures that carry it"),
    "property_likeness": Term(
        "Likeness of the rest", "how alike the classes are in it where carriers are left out"
    ),
    "property_false_answers": Term(
        "False answers", "how much more often other classes are given this one where they carry it"
    ),
    "property_fidelity": Term(
        "Fidelity of the experiment", "how much of the property the experiment carried over"
    ),
    "carried_over": Term("Carried over, logit", "what carrying it over adds to the class's logit"),
    "taken_away": Term("Taken away, logit", "what taking it away takes off the class's logit"),
}


def signal(name: str, axes: int = PICTURE) -> Term:
    """Name a measurement; one about a column adds it after a colon, an unknown one keeps its own name."""
    base, _, column = name.partition(":")
    kind, plain = kind_of(name), _NAMES.get(base, base.replace("_", " ").capitalize())
    term = _BESIDE.get(base, Term(plain, kind.says if kind else ""))
    term = Term(say(term.name, axes), say(term.meaning, axes))
    return Term(f"{term.name}: {column}", term.meaning) if column else term
