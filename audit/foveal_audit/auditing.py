"""The audit: from a model and its library to findings with their evidence."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from foveal import Library
from foveal.archives import AuditedModel
from foveal_audit.bench import ModelBench, is_unchanged
from foveal_audit.bundle.coverage import CoverageRow
from foveal_audit.bundle.evidence import AuditResult, FacetEvidence
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding
from foveal_audit.depicting import Drawn, draw_generator, facet_evidence, gap_evidence
from foveal_audit.examining import Examined, examine, node_rows, surroundings
from foveal_audit.gaps.finding import Gaps, find_gaps
from foveal_audit.gaps.stating import state_gap
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged, judge
from foveal_audit.provenance import config_record, environment_record, library_ref, model_ref
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence, Samples, read_evidence

Progress = Callable[[str, int, int], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Audited:
    """What an audit gives.

    Attributes
    ----------
    result
        Findings and pictures.
    generators
        Per feature how to write its generator into a folder.
    units
        Entry id to contribution unit, for the library.
    """

    result: AuditResult
    generators: Mapping[str, Callable[[Path], object]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def audit(
    model: AuditedModel, library: Library, settings: AuditSettings, progress: Progress = silent
) -> Audited:
    """Audit a model on its library.

    Parameters
    ----------
    model
        As deployed.
    library
        Holds training entries of that model; with production entries, gaps are looked for too.
    settings
        How thorough.
    progress
        Told what is done, how much of it, and how much there is.

    Returns
    -------
    The same findings for the same inputs, settings and versions.

    Raises
    ------
    UsageError
        If the library holds nothing about the model.
    """
    with one_thread():
        evidence = read_evidence(library, model.sha256)
        progress("finding units", 0, 1)
        examined = examine(evidence, settings)
        progress("finding units", 1, 1)
        judged = _judge_all(model, evidence, examined, settings, progress)
        assessments = assess(judged, evidence.samples, model.sha256, model.labels, settings.seed)
        gaps = _gaps(model, evidence, settings, progress)
        drawn = _generators(model, evidence.samples, assessments, examined, settings, progress)
        findings, stated = _findings(model, library, evidence, examined, assessments, gaps, settings, drawn)
        return Audited(
            _result(findings, stated, assessments, examined, evidence, gaps, drawn),
            {name: one.write for name, one in drawn.items()},
            examined.units,
        )


def _judge_all(
    model: AuditedModel, evidence: Evidence, examined: Examined, settings: AuditSettings, progress: Progress
) -> list[Judged]:
    bench = ModelBench(model, evidence.samples)
    around = surroundings(evidence, settings) if examined.facets else None
    judged = []
    for number, facet in enumerate(examined.facets):
        progress("judging facets", number, len(examined.facets))
        # Each facet has its own chance, so that one facet more or less leaves the others as they are.
        rng = np.random.default_rng([settings.seed, zlib.crc32(facet.unit.name.encode()), facet.number])
        judged.append(judge(facet, around, bench, rng))  # type: ignore[arg-type]  # there where facets are
    progress("judging facets", len(examined.facets), len(examined.facets))
    return judged


def _gaps(
    model: AuditedModel, evidence: Evidence, settings: AuditSettings, progress: Progress
) -> Gaps | None:
    if _without_gaps(evidence):
        return None
    progress("looking for gaps", 0, 1)
    found = find_gaps(evidence.contribution, evidence.samples, model, settings.seed)
    progress("looking for gaps", 1, 1)
    return found


def _without_gaps(evidence: Evidence) -> str:
    """Say why gaps cannot be looked for, or "" where they can."""
    samples, owner = evidence.samples, evidence.contribution.owner
    if not samples.of("production").any():
        return "the library holds no production samples to compare with"
    return "" if samples.of("training")[owner].any() else "no training sample has a contribution window"


def _generators(
    model: AuditedModel,
    samples: Samples,
    assessments: list[Assessment],
    examined: Examined,
    settings: AuditSettings,
    progress: Progress,
) -> dict[str, Drawn]:
    """Learn a generator for each flagged feature, then for those with most entries."""
    ranked = sorted(
        zip(assessments, examined.facets, strict=True),
        key=lambda pair: (
            pair[0].verdict not in ("confirmed", "suspected"),
            -len(pair[1].windows),
            pair[0].id,
        ),
    )
    # A feature has one generator: of the facet of it that ranks first.
    firsts: dict[str, tuple[Assessment, Facet]] = {}
    for assessment, facet in ranked:
        firsts.setdefault(assessment.feature, (assessment, facet))
    kept = list(firsts.values())[: settings.generators]
    drawn: dict[str, Drawn] = {}
    for number, (assessment, facet) in enumerate(kept):
        progress("learning appearances", number, len(kept))
        if (made := draw_generator(facet.windows, samples, model, settings)) is not None:
            drawn[assessment.feature] = replace(made, facet=assessment.facet)
    progress("learning appearances", len(kept), len(kept))
    return drawn


def _findings(
    model: AuditedModel,
    library: Library,
    evidence: Evidence,
    examined: Examined,
    assessments: list[Assessment],
    gaps: Gaps | None,
    settings: AuditSettings,
    drawn: Mapping[str, Drawn],
) -> tuple[Findings, list[GapFinding]]:
    stated = [state_gap(gap, evidence, model.sha256) for gap in gaps.found] if gaps else []
    findings = Findings.of(
        assessments,
        stated,
        model=model_ref(model),
        library=library_ref(library, model, evidence),
        config=config_record(settings, model),
        environment=environment_record(),
        seed=settings.seed,
        not_examined=[*examined.left_out, *_not_examined(library, evidence, gaps, assessments, drawn)],
        node_pipeline=node_rows(evidence, model.labels),
    )
    return findings, stated


def _not_examined(
    library: Library,
    evidence: Evidence,
    gaps: Gaps | None,
    assessments: list[Assessment],
    drawn: Mapping[str, Drawn],
) -> list[str]:
    """Say what the audit did not look at, so that silence is not taken for absence."""
    lines = [
        f"{count} samples lost before the library ({reason})" for reason, count in library.losses().items()
    ]
    if gaps is None:
        lines.append(f"Training-set gaps: {_without_gaps(evidence)}")
    if evidence.left_out:
        lines.append(f"{evidence.left_out} samples that were observed under other settings of the model")
    origins = evidence.samples.origins
    unread = sum(1 for origin in origins if origin is None)
    if unread:
        lines.append(f"{unread} samples came without a file (served requests): causal tests use the others")
    kept = zip(origins, evidence.samples.sha256, strict=True)
    gone = sum(1 for origin, sha256 in kept if origin is not None and not is_unchanged(origin, sha256))
    if gone:
        lines.append(f"{gone} samples whose file is gone or was changed: causal tests use the others")
    without = len({one.feature for one in assessments} - set(drawn))
    if without:
        lines.append(
            f"No generator learned the appearance of {without} features (settings, or too few crops)"
        )
    return lines


def _result(
    findings: Findings,
    stated: list[GapFinding],
    assessments: list[Assessment],
    examined: Examined,
    evidence: Evidence,
    gaps: Gaps | None,
    drawn: Mapping[str, Drawn],
) -> AuditResult:
    samples = evidence.samples
    facets: list[FacetEvidence] = [
        facet_evidence(one, facet.windows, samples, drawn.get(one.feature))
        for one, facet in zip(assessments, examined.facets, strict=True)
    ]
    if gaps is None:
        return AuditResult(findings, facets)
    pictures = [
        gap_evidence(finding, gap, evidence.contribution, samples)
        for finding, gap in zip(stated, gaps.found, strict=True)
    ]
    return AuditResult(findings, facets, pictures, _coverage_rows(evidence, gaps, stated))


def _coverage_rows(evidence: Evidence, gaps: Gaps, stated: list[GapFinding]) -> list[CoverageRow]:
    groups = {
        int(member): finding.id
        for finding, gap in zip(stated, gaps.found, strict=True)
        for member in gap.members
    }
    production = np.flatnonzero(evidence.samples.of("production"))
    return [
        CoverageRow(str(evidence.samples.names[row]), "production", float(p), groups.get(int(row)))
        for row, p in zip(production, gaps.p_values, strict=True)
    ]
