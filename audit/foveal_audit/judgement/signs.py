"""What the signals say in plain words: for an artefact, and for a part of the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from foveal_audit.bundle.schema import Signal

#: A sign is spoken of when chance alone does this at most once in a hundred facets.
_SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Sign:
    """A sentence about a signal, and from which value on it is said.

    Attributes
    ----------
    signal
        Its name.
    speaks
        For an ``artefact``, or for a ``genuine`` part of the object.
    least, most
        The values for which it is said.
    words
        The sentence; ``{v}`` is the value, ``{column}`` the column of the metadata.
    sure
        Whether it also needs a p-value that says that it is no chance.
    """

    signal: str
    speaks: Literal["artefact", "genuine"]
    least: float
    most: float
    words: str
    sure: bool = False

    def holds(self, signal: Signal) -> bool:
        """Say whether a measured signal is worth the sentence."""
        sure = not self.sure or (signal.p is not None and signal.p <= _SIGNIFICANT)
        return sure and self.least <= signal.value <= self.most


_ANY = float("inf")

SIGNS: tuple[Sign, ...] = (
    Sign("outside_object", "artefact", 0.5, 1,
         "{v:.0%} of its evidence lies outside the regions of interest."),
    Sign("outside_object", "genuine", 0, 0.25,
         "{i:.0%} of its evidence lies inside the regions of interest."),
    Sign("moves_with_roi", "artefact", -1, 0.2,
         "It does not move with the region of interest (correlation {v:.2f})."),
    Sign("moves_with_roi", "genuine", 0.7, 1,
         "It moves with the region of interest (correlation {v:.2f}).", True),
    Sign("moves_with_salience", "genuine", 0.5, 1,
         "It moves with what stands out beside it (correlation {v:.2f}).", True),
    Sign("recurrence", "artefact", 0, 0.35,
         "It does not come again within its pictures, but in others (rank {v:.2f})."),
    Sign("recurrence", "genuine", 0.65, 1,
         "It comes again within its pictures, more than in others (rank {v:.2f}).", True),
    Sign("corner_lock", "artefact", 0.6, 1,
         "It keeps to places that mirror each other (lock {v:.2f}).", True),
    Sign("border", "artefact", 0.85, 1,
         "It lies nearer to the edge of the picture than {v:.0%} of other details.", True),
    Sign("unusual_place", "artefact", 0.9, 1,
         "It lies where hardly any other detail does (rank {v:.2f}).", True),
    Sign("constancy", "artefact", 0.7, 1,
         "Its pixels hardly change from picture to picture (constancy {v:.2f}).", True),
    Sign("recognised_without", "artefact", 0.8, _ANY,
         "With it hidden, a plain learner still tells the class from the rest of the picture."),
    Sign("recognised_without", "genuine", -_ANY, 0.2,
         "With it hidden, a plain learner no longer tells the class from the rest of the picture."),
    Sign("evidence_elsewhere", "artefact", 0.4, 1,
         "{v:.0%} of the evidence found in its pictures lies in other details."),
    Sign("prevalence", "genuine", 0.8, 1, "{v:.0%} of the pictures that were given the class show it."),
    Sign("false_positive_lift", "artefact", 0.1, 1,
         "Pictures of other classes are given this one more often where they show it ({v:+.0%}).", True),
    Sign("accuracy_loss", "artefact", 0.1, 1,
         "Answers of this class are wrong more often where it shows ({v:+.0%}).", True),
    Sign("runs", "artefact", 0.1, 1,
         "Samples that show it follow each other in {column!r} even within one class.", True),
)  # fmt: skip


def signs(signals: Mapping[str, Signal], speaks: Literal["artefact", "genuine"]) -> Iterator[str]:
    """Say what the signals of a facet say for one side, in the order of the table."""
    for sign in SIGNS:
        for name, signal in signals.items():
            kind, _, column = name.partition(":")
            if sign.speaks == speaks and kind == sign.signal and sign.holds(signal):
                yield sign.words.format(v=signal.value, i=1 - signal.value, column=column)
