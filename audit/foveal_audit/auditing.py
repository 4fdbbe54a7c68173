"""The audit: from a model and its library to findings with their evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from foveal import Library
from foveal.archives import AuditedModel
from foveal.features import CONTRIBUTION
from foveal_audit.bench import find_readable
from foveal_audit.bundle.coverage import CoverageRow
from foveal_audit.bundle.evidence import AuditResult, FacetEvidence
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding, Signal
from foveal_audit.bundle.summary import plural
from foveal_audit.depicting import facet_evidence, gap_evidence
from foveal_audit.engine.columns import open_evidence, read_examined, read_split
from foveal_audit.engine.desk import READABLE
from foveal_audit.engine.knowing import keep_knowledge
from foveal_audit.engine.reading import reading_settings, write_evidence
from foveal_audit.engine.records import Generated, read_drawn, read_gaps, read_judged, read_properties
from foveal_audit.engine.running import Engine, Job, passing
from foveal_audit.engine.stages import settings_for
from foveal_audit.engine.work import Work
from foveal_audit.examining import Examined, gather, node_rows
from foveal_audit.fitting_channels import require_channels
from foveal_audit.gaps.finding import Gaps
from foveal_audit.gaps.stating import state_gap
from foveal_audit.gaps.worklist import worklist
from foveal_audit.hearing import Audience, hear
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.judgement.irrelevance import is_property
from foveal_audit.knowledge import NOTHING, Knowledge
from foveal_audit.limits import closed_layers, limits, unshown_concepts, what_was_missed, without_gaps
from foveal_audit.provenance import config_record, environment_record, library_ref, model_ref
from foveal_audit.reproducible import now, one_thread
from foveal_audit.rois import require_known
from foveal_audit.settings import AuditSettings
from foveal_audit.training_windows import training_windows
from foveal_audit.whole_samples import Reader
from foveal_audit.windows import Evidence

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
    model: AuditedModel,
    library: Library,
    settings: AuditSettings,
    progress: Progress = silent,
    engine: Engine | None = None,
    *,
    knowledge: Knowledge = NOTHING,
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
    engine
        Does the work and keeps what is done; by default this process, and nothing is kept.
    knowledge
        What experts know beforehand.

    Returns
    -------
    The same findings for the same inputs, settings and versions, wherever the work is done.

    Raises
    ------
    UsageError
        If the library holds nothing about the model, or none of the samples that experts marked.
    """
    with one_thread(), nullcontext(engine) if engine else passing(model) as at_work:
        return _Audit(model, library, settings, progress, at_work, knowledge).conclude()


class _Audit:
    """One audit on its way: which work depends on which, and what is concluded from all of it."""

    def __init__(
        self,
        model: AuditedModel,
        library: Library,
        settings: AuditSettings,
        progress: Progress,
        engine: Engine,
        knowledge: Knowledge,
    ) -> None:
        self._model, self._library, self._settings = model, library, settings
        self._knowledge = knowledge
        self._progress, self._engine = progress, engine
        reading = reading_settings(library, model, settings)
        folder = engine.keep("evidence", reading, self._read)
        self._evidence = open_evidence(folder)
        samples = self._evidence.samples
        require_known(knowledge.rois, set(samples.names.tolist()), samples.axes)
        require_channels(samples, model.transform, library.name)
        self._readable = find_readable(self._evidence.samples)
        self._inputs = {"evidence": folder, **keep_knowledge(engine.keep, knowledge)}

    def _read(self, folder: Path) -> None:
        write_evidence(self._library, self._model.sha256, self._settings, folder, self._progress)

    def conclude(self) -> Audited:
        """Do all work and draw the conclusions."""
        settings, samples = self._settings, self._evidence.samples
        examined = self._examine()
        judged, gaps = self._judge(examined)
        assessments = assess(judged, samples, self._model.sha256, self._model.labels, settings.seed)
        drawn = self._draw(assessments, examined)
        assessments = [_with_doses(one, drawn.get(one.feature)) for one in assessments]
        missed = what_was_missed(judged, self._evidence)
        facets = [one.facet for one in judged]
        findings, stated = self._findings(examined, assessments, facets, gaps, drawn, missed)
        reader = Reader.of(self._model)
        result = _result(findings, stated, assessments, facets, self._evidence, gaps, drawn, reader)
        return Audited(result, {name: one.write for name, one in drawn.items()}, examined.units)

    def _examine(self) -> Examined:
        """Describe and split the windows of each feature that is examined."""
        features = read_examined(self._inputs["evidence"])
        works = [self._work("units", [], feature=name) for name in features]
        (folders,) = self._engine.run([Job("finding units", works)], self._progress)
        self._inputs |= dict(zip(features, folders, strict=True))
        splits = {name: read_split(self._inputs[name]) for name in features}
        return gather(self._evidence, splits, self._settings.features)

    def _judge(self, examined: Examined) -> tuple[list[Judged], Gaps | None]:
        """Judge every facet and look for gaps, which do not depend on each other."""
        self._inputs["readable"] = self._engine.keep(
            "readable",
            {"samples": self._readable.tolist()},
            lambda to: np.save(to / READABLE, self._readable),
        )
        facets = [
            self._work("judging", [CONTRIBUTION, name, "readable", "rois"], feature=name, part=part)
            for name, part in examined.places
        ]
        properties = self._work("properties", [CONTRIBUTION, "readable", "rois"])
        jobs = [Job("judging facets", [*facets, properties])]
        if not without_gaps(self._evidence):
            jobs.append(Job("looking for gaps", [self._work("gaps", [CONTRIBUTION, "readable", "concepts"])]))
        folders = self._engine.run(jobs, self._progress)
        judged = [read_judged(*pair) for pair in zip(folders[0][:-1], examined.facets, strict=True)]
        judged += read_properties(folders[0][-1])
        return judged, read_gaps(folders[1][0]) if len(jobs) > 1 else None

    def _draw(self, assessments: list[Assessment], examined: Examined) -> dict[str, Generated]:
        """Learn a generator for each flagged feature, then for those with most entries."""
        kept = _ranked(assessments, examined)[: self._settings.generators]
        works = [
            self._work(
                "generator",
                [name, "readable"],
                feature=name,
                part=part,
                assessment=assessment.model_dump(mode="json"),
            )
            for assessment, (name, part) in kept
        ]
        (folders,) = self._engine.run([Job("learning appearances", works)], self._progress)
        made = {
            one.feature: read_drawn(folder, one.facet) for (one, _), folder in zip(kept, folders, strict=True)
        }
        return {feature: one for feature, one in made.items() if one is not None}

    def _work(self, stage: str, inputs: Sequence[str], **settings: Any) -> Work:  # noqa: ANN401 - any JSON
        known = {name: self._inputs[name] for name in ("evidence", *inputs) if name in self._inputs}
        return self._engine.work(stage, known, {**settings, "audit": settings_for(stage, self._settings)})

    def _findings(
        self,
        examined: Examined,
        assessments: list[Assessment],
        facets: Sequence[Facet],
        gaps: Gaps | None,
        drawn: Mapping[str, Generated],
        missed: Sequence[str],
    ) -> tuple[Findings, list[GapFinding]]:
        model, evidence = self._model, self._evidence
        stated = [state_gap(gap, evidence, model.sha256, model.labels) for gap in gaps.found] if gaps else []
        named = list(zip(stated, gaps.found, strict=True)) if gaps else []
        audience = Audience(assessments, facets, named, evidence)
        findings = Findings.of(
            assessments,
            stated,
            model=model_ref(model),
            library=library_ref(self._library, model, evidence),
            config=config_record(self._settings, model, self._knowledge, evidence.samples.axes),
            environment=environment_record(),
            seed=self._settings.seed,
            created=now(),
            not_examined=[
                *examined.left_out,
                *self._not_examined(assessments, drawn),
                *missed,
                *unshown_concepts(gaps.not_shown if gaps else ()),
            ],
            node_pipeline=node_rows(evidence, model.labels),
            experts=hear(self._library, audience),
        )
        return findings, stated

    def _not_examined(self, assessments: list[Assessment], drawn: Mapping[str, Generated]) -> list[str]:
        model = self._model
        lines = limits(self._library, model.sha256, self._evidence, self._readable, model.labels)
        lines[:0] = closed_layers(model.module)
        if without := len({one.feature for one in assessments} - set(drawn)):
            lines.append(
                f"No generator learned the appearance of {plural(without, 'feature')} "
                "(settings, or too few crops)"
            )
        return lines


def _with_doses(assessment: Assessment, drawn: Generated | None) -> Assessment:
    """Add what was measured with its generator to a facet: it changes no verdict."""
    if drawn is None or drawn.facet != assessment.facet:
        return assessment
    added = {name: Signal(value=one.value, p=one.p) for name, one in drawn.signals.items()}
    return assessment.model_copy(update={"signals": {**assessment.signals, **added}})


def _ranked(assessments: list[Assessment], examined: Examined) -> list[tuple[Assessment, tuple[str, int]]]:
    """Rank the features, those flagged first, then those with most entries; each by its first facet."""
    ranked = sorted(
        # What comes after the places are properties: whole pictures are learned by no generator.
        zip(assessments, examined.facets, examined.places, strict=False),
        key=lambda one: (one[0].verdict not in ("confirmed", "suspected"), -len(one[1].windows), one[0].id),
    )
    firsts: dict[str, tuple[Assessment, tuple[str, int]]] = {}
    for assessment, _, place in ranked:
        firsts.setdefault(assessment.feature, (assessment, place))
    return list(firsts.values())


def _result(
    findings: Findings,
    stated: list[GapFinding],
    assessments: list[Assessment],
    judged: Sequence[Facet],
    evidence: Evidence,
    gaps: Gaps | None,
    drawn: Mapping[str, Generated],
    reader: Reader,
) -> AuditResult:
    samples = evidence.samples
    flagged = {one.id for one in findings.artefacts if not is_property(one.signals)}
    facets: list[FacetEvidence] = []
    for one, facet in zip(assessments, judged, strict=True):
        kept = evidence.contribution if one.id in flagged else None
        plain = facet_evidence(one, facet.windows, samples, None, kept, reader)
        own = drawn.get(one.feature)
        facets.append(replace(plain, **own.fields) if own and own.facet == one.facet else plain)
    pairs = zip(assessments, judged, strict=True)
    training = [training_windows(one, facet.windows, samples) for one, facet in pairs]
    if gaps is None:
        return AuditResult(findings, facets, training=training)
    pictures = [
        gap_evidence(finding, gap, evidence.contribution, samples, reader)
        for finding, gap in zip(stated, gaps.found, strict=True)
    ]
    orders = worklist(zip(stated, gaps.found, strict=True), int(samples.of("training").sum()))
    rows = _coverage_rows(evidence, gaps, stated)
    return AuditResult(findings, facets, pictures, rows, orders, training)


def _coverage_rows(evidence: Evidence, gaps: Gaps, stated: list[GapFinding]) -> list[CoverageRow]:
    groups = {
        int(member): finding.id
        for finding, gap in zip(stated, gaps.found, strict=True)
        for member in gap.members
    }
    production = np.flatnonzero(evidence.samples.of("production"))
    rows = [
        CoverageRow(str(evidence.samples.names[row]), "production", float(p), groups.get(int(row)))
        for row, p in zip(production, gaps.p_values, strict=True)
    ]
    return sorted(rows, key=attrgetter("sample"))
