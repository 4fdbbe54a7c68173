"""All signals of a facet in one table: what asks, which way each points, what it needs and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from foveal_audit.judgement.signals import elsewhere, objects, places, presence
from foveal_audit.judgement.signals.looks import looks
from foveal_audit.judgement.signals.metadata import COINCIDES, RUNS, TIED, metadata
from foveal_audit.judgement.signals.nulls import Signal
from foveal_audit.judgement.signals.question import Question
from foveal_audit.judgement.signals.recurrence import recurring
from foveal_audit.judgement.signals.sameness import sameness

#: A family asks once and gives those of its signals that can be asked.
Family = Callable[[Question], Mapping[str, Signal]]
Need = Literal["windows", "pictures", "labels", "rois", "metadata"]


@dataclass(frozen=True)
class Kind:
    """What is known of a signal before it is measured.

    Attributes
    ----------
    name
        As it is recorded; signals of a metadata column add the column after a colon.
    direction
        1: higher speaks for an artefact; -1: lower does.
    needs
        Without this it is absent, and the fusion takes it as unknown.
    source
        Where the idea is from.
    says
        What a value that speaks for an artefact says, in plain words.
    """

    name: str
    direction: Literal[1, -1]
    needs: Need
    source: str
    says: str


FAMILIES: tuple[Family, ...] = (
    places.where, sameness, looks, objects.beside_the_object, elsewhere.without_it, presence.shown,
    metadata, recurring,
)  # fmt: skip


def measure(asked: Question) -> dict[str, Signal]:
    """Measure every signal that can be asked of a facet with two windows or more."""
    return {name: signal for family in FAMILIES for name, signal in family(asked).items()}


def _drawn(name: str, says: str) -> Kind:
    return Kind(f"drawn_{name}", 1, "windows", "audit methods, signal 8", says)


_PLACE, _STAMP = "audit methods, signal 2", "audit methods, signals 3 and 12"
_OBJECT, _LEFT = "audit methods, signal 6", "audit methods, signal 10"

KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        Kind("position_lock", 1, "windows", _PLACE, "its windows keep to the same place"),
        Kind(
            "corner_lock",
            1,
            "windows",
            _PLACE,
            "its windows keep to the same place, mirrored places being one",
        ),
        Kind(
            "off_centre", 1, "windows", _PLACE, "it lies farther from the middle of the picture than others"
        ),
        Kind("unusual_place", 1, "windows", _OBJECT, "it lies where other details seldom do"),
        Kind("border", 1, "windows", "audit methods, signal 7", "it lies nearer to the edge of the picture"),
        Kind("stamp_likeness", 1, "windows", _STAMP, "its crops are near-copies of each other"),
        Kind("constancy", 1, "windows", _STAMP, "the same pixels have the same colours from crop to crop"),
        Kind("near_duplicates", 1, "windows", _STAMP, "crops of different pictures are near-copies"),
        _drawn("flatness", "its colours are flat"),
        _drawn("fewness", "it has few colours"),
        _drawn("saturation", "it is black or white"),
        _drawn("strokes", "it has many steep edges"),
        _drawn("uprightness", "its edges are level or upright"),
        _drawn("sharpness", "it is sharper than other details"),
        _drawn("two_tones", "it has two tones"),
        _drawn("contrast", "it has more contrast than other details"),
        Kind("outside_object", 1, "rois", _OBJECT, "it lies outside the regions of interest"),
        Kind("moves_with_roi", -1, "rois", _OBJECT, "it does not move with the regions of interest"),
        Kind(
            "moves_with_salience", -1, "pictures", _OBJECT, "it does not move with what stands out beside it"
        ),
        Kind("salience_elsewhere", 1, "pictures", _LEFT, "something else stands out in its pictures"),
        Kind("recognised_without", 1, "pictures", _LEFT, "its pictures show the class without it"),
        Kind("recurrence", -1, "pictures", _OBJECT, "it does not come again within its pictures"),
        Kind("evidence_elsewhere", 1, "windows", _LEFT, "other details speak for the class in its pictures"),
        Kind("prevalence", -1, "windows", "audit methods, signal 4", "few pictures of the class show it"),
        Kind(
            "purity",
            1,
            "windows",
            "audit methods, signal 4",
            "all pictures that show it were given the class",
        ),
        Kind(
            "false_positive_lift",
            1,
            "labels",
            "audit methods, signal 9",
            "it makes other classes look like this one",
        ),
        Kind(
            "accuracy_loss",
            1,
            "labels",
            "audit methods, signal 9",
            "answers are less often right where it shows",
        ),
        Kind(
            "recall_gain",
            1,
            "labels",
            "audit methods, signal 9",
            "its class is more often recognised where it shows",
        ),
        Kind(TIED, 1, "metadata", "audit methods, signal 5", "it goes with the column even within one class"),
        Kind(
            COINCIDES,
            1,
            "metadata",
            "audit methods, signal 5",
            "it goes with a column that coincides with the class",
        ),
        Kind(
            RUNS, 1, "metadata", "audit methods, signal 5", "pictures that show it follow each other in time"
        ),
    )
}


def kind_of(name: str) -> Kind | None:
    """Find what is known of a recorded signal; None for those of another version or another room."""
    return KINDS.get(name.partition(":")[0])
