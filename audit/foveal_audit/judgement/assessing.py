"""From measurements to assessments, and from an assessment back to its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from foveal.records import Source
from foveal_audit.bundle.identity import make_id, six_digits
from foveal_audit.bundle.schema import MAX_ENTRIES, Assessment, Effect, Effects, EntryRef, Signal
from foveal_audit.judgement import verdict
from foveal_audit.judgement.beside import ASKED, without_marks_beside
from foveal_audit.judgement.commonest import commonest_values
from foveal_audit.judgement.effects import PASTE_MARGIN, REMOVAL_MARGIN
from foveal_audit.judgement.explaining import counter_evidence, reasons
from foveal_audit.judgement.facet import Judged
from foveal_audit.judgement.fusion import FUSION, FUSIONS, Fusion
from foveal_audit.judgement.irrelevance import PROPERTY, is_property, log_odds
from foveal_audit.judgement.learned import has_learned
from foveal_audit.judgement.signals import Signal as Measure
from foveal_audit.judgement.signals.metadata import COINCIDES, TIED
from foveal_audit.judgement.verdict import Measured, Thresholds
from foveal_audit.judgement.wording import worded
from foveal_audit.windows import WHOLE_PICTURE, Samples, Windows

#: A metadata column counts when chance alone does this at most once in a hundred facets.
_SIGNIFICANT = 0.01
#: An effect is shown when chance does as much in one of forty facets (the lower end of a 95 % interval).
_RELIED = 0.025


def assess(
    judged: Sequence[Judged], samples: Samples, model_sha256: str, labels: Sequence[str], seed: int
) -> list[Assessment]:
    """Turn measurements into assessments, with false discoveries controlled over all of them.

    Where marks were found, what lies beside them is assessed again: see
    :mod:`foveal_audit.judgement.beside`.
    """
    found = _assessed(judged, samples, model_sha256, labels, seed)
    if samples.axes not in ASKED:
        return found
    again = without_marks_beside(judged, found)
    changed = any(new is not old for new, old in zip(again, judged, strict=True))
    return _assessed(again, samples, model_sha256, labels, seed) if changed else found


def _assessed(
    judged: Sequence[Judged], samples: Samples, model_sha256: str, labels: Sequence[str], seed: int
) -> list[Assessment]:
    fusion = FUSIONS[samples.axes]
    q_values = discovery_rates([p_values(one, fusion) for one in judged])
    if not has_learned(samples):
        q_values = [None if q is None else 1.0 for q in q_values]
    return [
        _assess(one, q, samples, model_sha256, labels, seed, fusion)
        for one, q in zip(judged, q_values, strict=True)
    ]


@dataclass(frozen=True)
class PValues:
    """Of "the model does not rely on it" and of "it belongs to the task"; both must fall for a discovery."""

    reliance: float
    irrelevance: float


def p_values(judged: Judged, fusion: Fusion = FUSION) -> PValues | None:
    """Give the p-values of a facet; None where nothing was tested.

    Reliance is seen in the probability or in the logit, so the smaller p-value is doubled. Irrelevance of
    windows is held against genuine facets of planted truth; a property of whole pictures has its own nulls,
    and must cost something when it is taken away.
    """
    return p_values_of(judged.paste.p if judged.paste else None, judged.signals, fusion)


def p_values_of(
    paste: float | None, found: Mapping[str, Measure | Signal], fusion: Fusion = FUSION
) -> PValues | None:
    """Give the p-values of what was measured, or recorded, of a facet.

    Parameters
    ----------
    paste
        p-value of pasting, None where it was not tested.
    found
        Name to signal.
    fusion
        The model for facets of windows.
    """
    if paste is None:
        return None
    relied = min(1.0, 2 * min(paste, _p_of(found, PASTE_MARGIN)))
    if is_property(found):
        return PValues(relied, max(_p_of(found, name) for name in _PROPERTY_NULLS))
    values = {name: signal.value for name, signal in found.items()}
    return PValues(relied, fusion.p_value(fusion.log_odds(values)))


#: What must not be chance in a property of whole pictures.
_PROPERTY_NULLS = (PROPERTY, "property_purity", REMOVAL_MARGIN)


def _p_of(signals: Mapping[str, Measure | Signal], name: str) -> float:
    found = signals.get(name)
    return 1.0 if found is None or found.p is None else found.p


def discovery_rates(p_values: Sequence[PValues | None]) -> list[float | None]:
    """Give the false discovery rate at which each facet would just be flagged (Benjamini and Hochberg 1995).

    Only facets that the model is shown to rely on can be artefacts, and only they are counted: which those
    are says nothing about their irrelevance (independent filtering, Bourgon, Gentleman and Huber 2010). The
    others get 1, and None where nothing was tested.
    """
    rates: list[float | None] = [None if one is None else 1.0 for one in p_values]
    family = {
        place: max(one.reliance, one.irrelevance)
        for place, one in enumerate(p_values)
        if one is not None and one.reliance <= _RELIED
    }
    found = false_discovery_control(list(family.values())) if family else ()
    for place, rate in zip(family, found, strict=True):
        rates[place] = float(rate)
    return rates


def _assess(
    judged: Judged,
    q: float | None,
    samples: Samples,
    model_sha256: str,
    labels: Sequence[str],
    seed: int,
    fusion: Fusion,
) -> Assessment:
    facet, windows = judged.facet, judged.facet.windows
    draft = Assessment(
        id=make_id("A", model_sha256, facet.unit.name, facet.number),
        feature=facet.unit.name,
        facet=facet.number,
        n_entries=_per_source(windows, samples),
        reliance=0,
        irrelevance=0,
        artefact_score=0,
        q_value=q,
        verdict="undecidable",
        effects=Effects(
            removal=_effect(judged.removal), paste=_effect(judged.paste), mediation=_effect(judged.mediation)
        ),
        signals={name: Signal(value=found.value, p=found.p) for name, found in judged.signals.items()},
        classes=_classes(windows, samples, labels),
        entries=_entries(windows, samples, seed),
    )
    # Judged by the rounded numbers that are written down, so that the verdict follows from the record.
    measured = measured_of(draft, fusion)
    decided = verdict.decide(measured)
    name = labels[judged.outcome] if judged.outcome < len(labels) else f"class {judged.outcome}"
    most = commonest_values(windows.owner, samples, judged.outcome)
    return draft.model_copy(
        update={
            "reliance": six_digits(verdict.reliance(measured)),
            "irrelevance": six_digits(verdict.irrelevance(measured)),
            "artefact_score": six_digits(verdict.artefact_score(measured)),
            "verdict": decided,
            "reasons": worded(reasons(draft, measured, decided, name, most), samples.axes),
            "counter_evidence": worded(counter_evidence(draft, measured, decided), samples.axes),
        }
    )


def _sure(signals: Mapping[str, Signal], name: str) -> float:
    """Take a margin for nothing where chance does as much in one of forty."""
    found = signals.get(name)
    return max(0.0, found.value) if found is not None and (found.p or 0) <= _RELIED else 0.0


def measured_of(assessment: Assessment, fusion: Fusion = FUSION) -> Measured:
    """Read the numbers that a verdict rests on from an assessment."""
    effects, found = assessment.effects, assessment.signals
    removal, paste, mediation = effects.removal, effects.paste, effects.mediation
    return Measured(
        removal=removal.estimate if removal else None,
        removal_low=removal.low if removal else None,
        paste=paste.estimate if paste else None,
        paste_low=paste.low if paste else None,
        mediation=mediation.estimate if mediation else None,
        removal_margin=_sure(found, REMOVAL_MARGIN),
        paste_margin=_sure(found, PASTE_MARGIN),
        log_odds=log_odds({name: one.value for name, one in found.items()}, fusion),
        lock=found["position_lock"].value if "position_lock" in found else 0.0,
        stamp=found["stamp_likeness"].value if "stamp_likeness" in found else 0.0,
        association=strongest(assessment, TIED)[1],
        confounded=strongest(assessment, COINCIDES)[1],
        q=assessment.q_value,
    )


def strongest(assessment: Assessment, kind: str) -> tuple[str, float]:
    """Give the metadata column with the strongest significant association of a kind, or ("", 0)."""
    significant = [
        (signal.value, name.partition(":")[2])
        for name, signal in assessment.signals.items()
        if name.startswith(f"{kind}:") and signal.p is not None and signal.p <= _SIGNIFICANT
    ]
    value, column = max(significant, default=(0.0, ""))
    return column, value


def rederive(assessment: Assessment, settings: Mapping[str, Any]) -> str:
    """Derive the verdict again from an assessment's numbers and the thresholds that the bundle records."""
    recorded = settings.get("thresholds", {})
    known = {field.name: recorded[field.name] for field in fields(Thresholds) if field.name in recorded}
    fusion = Fusion.read(settings["fusion"]) if "fusion" in settings else FUSION
    return verdict.decide(measured_of(assessment, fusion), Thresholds(**known))


def _effect(effect: object) -> Effect | None:
    return None if effect is None else Effect(**asdict(effect))  # type: ignore[call-overload]


def _per_source(windows: Windows, samples: Samples) -> dict[Source, int]:
    counts = Counter(samples.sources[windows.owner].tolist())
    return {source: counts[source] for source in ("training", "validation", "production") if counts[source]}


def _classes(windows: Windows, samples: Samples, labels: Sequence[str]) -> dict[str, float]:
    counts = Counter(samples.predicted[windows.owner].tolist())
    total = max(sum(counts.values()), 1)
    return {_name(number, labels): count / total for number, count in sorted(counts.items())}


def _name(number: int, labels: Sequence[str]) -> str:
    return labels[number] if number < len(labels) else str(number)


def entry_ref(windows: Windows, row: int, samples: Samples) -> EntryRef:
    """Refer to one entry of the library."""
    owner = windows.owner[row]
    return EntryRef(
        sample=str(samples.names[owner]),
        window=tuple(int(edge) for edge in windows.boxes[row]),
        activation=float(windows.activation[row]),
        source=str(samples.sources[owner]),  # type: ignore[arg-type]
        id=None if windows.ids[row].startswith(WHOLE_PICTURE) else str(windows.ids[row]),
    )


def _entries(windows: Windows, samples: Samples, seed: int) -> list[EntryRef]:
    rows = np.arange(len(windows))
    if len(rows) > MAX_ENTRIES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_ENTRIES, replace=False))
    return [entry_ref(windows, int(row), samples) for row in rows]
