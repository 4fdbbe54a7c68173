"""From measurements to assessments, and from an assessment back to its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from foveal.records import Source
from foveal_audit.bundle.identity import make_id, six_digits
from foveal_audit.bundle.schema import MAX_ENTRIES, Assessment, Effect, Effects, EntryRef, Signal
from foveal_audit.judgement import verdict
from foveal_audit.judgement.discovery import benjamini_yekutieli
from foveal_audit.judgement.explaining import counter_evidence, reasons
from foveal_audit.judgement.facet import COINCIDES, TIED, Judged
from foveal_audit.judgement.verdict import Measured, Thresholds
from foveal_audit.windows import Samples, Windows

#: A metadata column counts when chance alone does this at most once in a hundred facets.
_SIGNIFICANT = 0.01


def assess(
    judged: Sequence[Judged], samples: Samples, model_sha256: str, labels: Sequence[str], seed: int
) -> list[Assessment]:
    """Turn measurements into assessments, with false discoveries controlled over all of them."""
    p_values = np.array([p_value(one) for one in judged])
    tested = np.flatnonzero(np.isfinite(p_values))
    q_values: list[float | None] = [None] * len(judged)
    for place, q in zip(tested, benjamini_yekutieli(p_values[tested]), strict=True):
        q_values[place] = float(q)
    return [
        _assess(one, q, samples, model_sha256, labels, seed) for one, q in zip(judged, q_values, strict=True)
    ]


def p_value(judged: Judged) -> float:
    """P-value of "relied on *and* irrelevant": the largest of its parts, as each must hold (nan: untested).

    Irrelevance needs a fixed place, and with it either sameness or a metadata column; the smaller of those
    two is doubled for the choice.
    """
    found = judged.signals
    if judged.paste is None or "position_lock" not in found:
        return float("nan")
    supports = [found["stamp_likeness"].p] + [found[name].p for name in found if _is_about_metadata(name)]
    support = min(1.0, len(supports) * min(p for p in supports if p is not None))
    return max(judged.paste.p, float(found["position_lock"].p or 0), support)


def _is_about_metadata(name: str) -> bool:
    return name.partition(":")[0] in (TIED, COINCIDES)


def _assess(
    judged: Judged,
    q: float | None,
    samples: Samples,
    model_sha256: str,
    labels: Sequence[str],
    seed: int,
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
    measured = measured_of(draft)
    decided = verdict.decide(measured)
    name = labels[judged.outcome] if judged.outcome < len(labels) else f"class {judged.outcome}"
    return draft.model_copy(
        update={
            "reliance": six_digits(verdict.reliance(measured)),
            "irrelevance": six_digits(verdict.irrelevance(measured)),
            "artefact_score": six_digits(verdict.artefact_score(measured)),
            "verdict": decided,
            "reasons": reasons(draft, measured, decided, name),
            "counter_evidence": counter_evidence(draft, measured, decided),
        }
    )


def measured_of(assessment: Assessment) -> Measured:
    """Read the numbers that a verdict rests on from an assessment."""
    effects, found = assessment.effects, assessment.signals
    removal, paste, mediation = effects.removal, effects.paste, effects.mediation
    return Measured(
        removal=removal.estimate if removal else None,
        removal_low=removal.low if removal else None,
        paste=paste.estimate if paste else None,
        paste_low=paste.low if paste else None,
        mediation=mediation.estimate if mediation else None,
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
    return verdict.decide(measured_of(assessment), Thresholds(**known))


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
        id=str(windows.ids[row]),
    )


def _entries(windows: Windows, samples: Samples, seed: int) -> list[EntryRef]:
    rows = np.arange(len(windows))
    if len(rows) > MAX_ENTRIES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_ENTRIES, replace=False))
    return [entry_ref(windows, int(row), samples) for row in rows]
