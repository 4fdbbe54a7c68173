"""Plain sentences: why this verdict, and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from foveal_audit.bundle.schema import Assessment
from foveal_audit.judgement.power import shown_chance
from foveal_audit.judgement.signals.metadata import TIED
from foveal_audit.judgement.signs import signs
from foveal_audit.judgement.verdict import THRESHOLDS, Measured, Verdict, reliance, transfer


def reasons(
    assessment: Assessment,
    measured: Measured,
    decided: Verdict,
    outcome: str,
    commonest: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Say why the verdict is what it is.

    Parameters
    ----------
    assessment
        The numbers as they are recorded.
    measured
        The same as the rule sees them.
    decided
        The verdict.
    outcome
        Name of the class that the facet speaks for.
    commonest
        Metadata column to what its pictures mostly have there, see
        :func:`foveal_audit.judgement.commonest.commonest_values`.
    """
    lines = [_reliance_line(assessment, outcome)]
    lines += [line for test, line in _IRRELEVANCE if test(measured) for line in [line.format(m=measured)]]
    lines += _metadata_lines(assessment, outcome, commonest)
    return [*lines, *_signs(assessment, decided, for_it=True), _CONCLUSIONS[decided]]


def _reliance_line(assessment: Assessment, outcome: str) -> str:
    removal, paste = assessment.effects.removal, assessment.effects.paste
    if removal is None or paste is None:
        return "No causal test was possible: too few of its samples, or of samples without it, can be read."
    return (
        f"Taking it out changes the probability of the predicted class by {-removal.estimate:+.2f}; "
        f"pasting it into samples of other classes changes that of {outcome!r} by {paste.estimate:+.2f}."
    )


_IRRELEVANCE: tuple[tuple[Callable[[Measured], bool], str], ...] = (
    (lambda m: m.lock >= 0.6, "Its windows keep to the same place (position lock {m.lock:.2f})."),
    (lambda m: m.stamp >= 0.9, "Its crops are near-copies of each other (stamp-likeness {m.stamp:.2f})."),
)


#: Which side's signs a verdict rests on, and which speak against it.
_SIDES: dict[Verdict, tuple[Literal["artefact", "genuine"], ...]] = {
    "confirmed": ("artefact", "genuine"),
    "suspected": ("artefact", "genuine"),
    "undecidable": ("artefact", "genuine"),
    "genuine": ("genuine", "artefact"),
    "not_relied_on": (),
}


def _signs(assessment: Assessment, decided: Verdict, *, for_it: bool) -> list[str]:
    sides = _SIDES[decided]
    return list(signs(assessment.signals, sides[0 if for_it else 1])) if sides else []


def _metadata_lines(assessment: Assessment, outcome: str, commonest: Mapping[str, str]) -> list[str]:
    lines = []
    for name, signal in assessment.signals.items():
        kind, _, column = name.partition(":")
        if kind in _METADATA and signal.p is not None and signal.p <= 0.01 and signal.value >= 0.1:
            said = commonest.get(column)
            most = f": of those answered {outcome!r}, {said}" if said and kind == TIED else ""
            lines.append(_METADATA[kind].format(column=column, value=signal.value, most=most))
    return lines


_METADATA = {
    TIED: "It goes with {column!r} even within one class (Cramer's V {value:.2f}){most}.",
    "coincides_with": (
        "It is tied to {column!r} (Cramer's V {value:.2f}), which coincides with the label in training: "
        "what the model learned of the label cannot be told from what it learned of {column!r}."
    ),
}

_CONCLUSIONS: dict[Verdict, str] = {
    "confirmed": "Necessary, sufficient, mediated by the unit, and irrelevant: confirmed reliance.",
    "suspected": "The model relies on it and it does not seem to belong to the object: suspected reliance.",
    "genuine": "The model relies on it and too little says that it does not belong to the object.",
    "not_relied_on": f"No effect of its own reaches {THRESHOLDS.relied:.2f} of the class probability.",
    "undecidable": "The data cannot decide whether the model relies on something that does not belong.",
}


def counter_evidence(assessment: Assessment, measured: Measured, decided: Verdict) -> list[str]:
    """Say what speaks against a flag, or for one that was not raised."""
    removal = assessment.effects.removal
    lines = []
    if decided in ("confirmed", "suspected"):
        if removal is not None and (removal.low <= 0 or removal.estimate < THRESHOLDS.relied):
            lines.append(
                "Taking it out alone has no sure effect worth speaking of: "
                "the model has other evidence for the same class."
            )
        if measured.association == 0 and measured.confounded == 0:
            lines.append("No metadata column goes with it.")
    elif measured.lock * measured.stamp >= 0.5:
        lines.append("It looks like something burnt in: always the same, always at the same place.")
    if decided == "genuine" and 0 < transfer(measured) < reliance(measured) / 2:
        lines.append("Its crop alone moves the model less than taking it out does.")
    return [*lines, *_signs(assessment, decided, for_it=False), *_power_lines(assessment, decided)]


def _power_lines(assessment: Assessment, decided: Verdict) -> Iterator[str]:
    """Say how large an effect would have been seen where none was."""
    paste = assessment.effects.paste
    if decided == "not_relied_on" and paste is not None and paste.pairs is not None:
        yield (
            f"Its {paste.pairs} pasted crops would have shown an effect of {THRESHOLDS.relied:.2f} with "
            f"probability {shown_chance(paste.low, paste.high, paste.pairs):.2f}."
        )
