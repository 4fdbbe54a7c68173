"""A sentence for each sign: what it says where it argues for an artefact, and where it argues against one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from foveal_audit.nouns import PICTURE, say


class Both(NamedTuple):
    """What is said on either side; ``{v}`` is the value, ``{n}`` 1 less it, ``{column}`` metadata."""

    artefact: str
    genuine: str


def _drawn(artefact: str, genuine: str) -> Both:
    return Both(f"Compared with other details {artefact}.", f"Compared with other details {genuine}.")


SENTENCES: Mapping[str, Both] = {
    "position_lock": Both("It keeps to the same place in the picture.", "It keeps to no one place."),
    "corner_lock": Both(
        "It keeps to one place or to its mirror images (corners, for example).",
        "It keeps to no one place, nor to its mirror images.",
    ),
    "off_centre": Both(
        "It lies farther from the middle of the picture than {v:.0%} of other details.",
        "It lies nearer to the middle of the picture than {n:.0%} of other details.",
    ),
    "unusual_place": Both(
        "It lies where other details seldom lie.", "It lies where other details of the pictures lie too."
    ),
    "border": Both(
        "It lies nearer to the edge of the picture than {v:.0%} of other details.",
        "It lies farther from the edge of the picture than {n:.0%} of other details.",
    ),
    "stamp_likeness": Both(
        "Its crops are near-copies of each other, as a stamp's would be.",
        "Its crops differ from each other, as those of a stamp would not.",
    ),
    "constancy": Both(
        "The same pixels have the same colours from crop to crop.", "Its pixels change from crop to crop."
    ),
    "near_duplicates": Both(
        "Its crops from different pictures are more alike than those of other details.",
        "Its crops from different pictures are no more alike than those of other details.",
    ),
    "drawn_flatness": _drawn("its colours are flat", "its colours are not flat"),
    "drawn_fewness": _drawn("it has few colours", "it has many colours"),
    "drawn_saturation": _drawn("it is black or white", "it is neither black nor white"),
    "drawn_strokes": _drawn("it has many steep edges", "it has few steep edges"),
    "drawn_uprightness": _drawn("its edges are level or upright", "its edges run in all directions"),
    "drawn_sharpness": _drawn("it is sharp", "it is soft"),
    "drawn_two_tones": _drawn("it has two tones", "it has more than two tones"),
    "drawn_contrast": _drawn("it has much contrast", "it has little contrast"),
    "outside_object": Both(
        "{v:.0%} of its evidence lies outside the regions of interest.",
        "{n:.0%} of its evidence lies inside the regions of interest.",
    ),
    "moves_with_roi": Both(
        "It does not move with the regions of interest.", "It moves with the regions of interest."
    ),
    "moves_with_salience": Both(
        "It does not move with what stands out beside it.", "It moves with what stands out beside it."
    ),
    "recurrence": Both(
        "It does not come again within its pictures, but in others.",
        "It comes again within its pictures, more than in others.",
    ),
    "salience_elsewhere": Both(
        "Something else stands out in its pictures.", "Little else stands out in its pictures."
    ),
    "recognised_without": Both(
        "With it hidden, a plain learner still tells the class from the rest of the picture, {v:.0%} as well "
        "as in pictures without it.",
        "With it hidden, a plain learner tells the class from the rest of the picture only {v:.0%} as well "
        "as in pictures without it.",
    ),
    "evidence_elsewhere": Both(
        "{v:.0%} of the evidence for the class in its pictures lies in other details.",
        "Only {v:.0%} of the evidence for the class in its pictures lies in other details.",
    ),
    "prevalence": Both(
        "Only {v:.0%} of the pictures that were given the class show it.",
        "{v:.0%} of the pictures that were given the class show it.",
    ),
    "purity": Both(
        "{v:.0%} of the pictures that show it were given the class.",
        "Only {v:.0%} of the pictures that show it were given the class.",
    ),
    "false_positive_lift": Both(
        "It makes pictures of other classes be given this one.",
        "It seldom makes pictures of other classes be given this one.",
    ),
    "accuracy_loss": Both(
        "Answers of this class are wrong more often where it shows.",
        "Answers of this class are right more often where it shows.",
    ),
    "recall_gain": Both(
        "The class is recognised more often where it shows.",
        "The class is recognised no more often where it shows.",
    ),
    "conditional_association": Both(
        "It goes with \u201c{column}\u201d even within one class.",
        "Within one class it does not go with \u201c{column}\u201d.",
    ),
    "coincides_with": Both(
        "It goes with \u201c{column}\u201d, which coincides with the class.",
        "It does not go with \u201c{column}\u201d, which coincides with the class.",
    ),
    "runs": Both(
        "Pictures that show it follow each other in \u201c{column}\u201d.",
        "Pictures that show it are spread over \u201c{column}\u201d.",
    ),
    "property_ubiquity": Both(
        "It is seen nearly everywhere in its pictures, as something of the recording would be.",
        "It is not seen everywhere in its pictures, so that it may belong to an object there.",
    ),
    "property_purity": Both(
        "{v:.0%} of the pictures that carry it were given the class: other classes hardly have it.",
        "Only {v:.0%} of the pictures that carry it were given the class: other classes have it too.",
    ),
    "property_fidelity": Both(
        "The experiment carried {v:.0%} of it over, so that the effect is the property's own.",
        "The experiment carried only {v:.0%} of it over, so that the effect may be something else's.",
    ),
    "property_prevalence": Both(
        "{v:.0%} of the class's pictures carry it: too many for a rare kind of the class.",
        "Only {v:.0%} of the class's pictures carry it, which a rare kind of the class would do too.",
    ),
}


def sentence(name: str, value: float, *, for_it: bool, axes: int = PICTURE) -> str:
    """Say what a measured sign says.

    Parameters
    ----------
    name
        As recorded, with the metadata column after a colon.
    value
        As measured.
    for_it
        Whether it argues for an artefact.
    axes
        Of the samples.

    Raises
    ------
    KeyError
        Where nothing is known of the sign.
    """
    base, _, column = name.partition(":")
    words = SENTENCES[base]
    said = say(words.artefact if for_it else words.genuine, axes)
    return said.format(v=value, n=1 - value, column=column)
