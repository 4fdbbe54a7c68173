"""The stages of an audit: what is computed of what, each a pure function into a folder."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from foveal.features import CONTRIBUTION
from foveal_audit.bench import reader_of
from foveal_audit.bundle.schema import Assessment
from foveal_audit.depicting import draw_generator, facet_evidence
from foveal_audit.engine.columns import write_looks
from foveal_audit.engine.desk import READABLE, Desk
from foveal_audit.engine.records import (
    FILES,
    write_gaps,
    write_generated,
    write_judged,
    write_properties,
)
from foveal_audit.engine.work import Stage, Work
from foveal_audit.examining import facet_of, split_contribution, split_node
from foveal_audit.gaps.concepts import read_concepts
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.judgement.facet import Facet, judge
from foveal_audit.judgement.walking import walk_axes
from foveal_audit.judging_properties import judge_properties
from foveal_audit.settings import AuditSettings

#: Settings that say what is examined: a stage is told by other means.
_CHOICE = ("nodes", "features", "generators")
_GENERATOR = ("generator_kind", "generator_steps")
#: Settings that change nothing in a stage: it never sees them.
_UNUSED: Mapping[str, tuple[str, ...]] = {
    "units": (*_CHOICE, *_GENERATOR, "pairs"),
    "judging": (*_CHOICE, *_GENERATOR),
    "properties": (*_CHOICE, *_GENERATOR),
    "gaps": (*_CHOICE, *_GENERATOR, "pairs"),
    "generator": (*_CHOICE, "pairs"),
}


def settings_for(stage: str, settings: AuditSettings) -> dict[str, Any]:
    """Choose the settings that matter for a stage."""
    return {name: value for name, value in asdict(settings).items() if name not in _UNUSED[stage]}


def _settings(work: Work) -> AuditSettings:
    return AuditSettings(**work.settings["audit"])


def _units(work: Work, desk: Desk, folder: Path) -> None:
    """Describe the crops of a feature, and split them into units or facets."""
    evidence, feature = desk.evidence(work.inputs["evidence"]), work.settings["feature"]
    windows = evidence.of(feature).knowing({})  # a copy: what it computes goes when it goes
    split = (
        split_contribution(windows, evidence.samples, _settings(work).seed)
        if feature == CONTRIBUTION
        else split_node(windows, _settings(work).seed)
    )
    write_looks(windows, split, folder)


def _facet(work: Work, desk: Desk) -> Facet:
    feature = work.settings["feature"]
    windows = desk.windows(work.inputs, feature)
    return facet_of(feature, windows, desk.split(work.inputs, feature), work.settings["part"])


def _judging(work: Work, desk: Desk, folder: Path) -> None:
    facet, settings = _facet(work, desk), _settings(work)
    around = desk.surroundings(work.inputs, settings)
    # Each facet has its own chance, so that one facet more or less leaves the others as they are.
    rng = np.random.default_rng([settings.seed, zlib.crc32(facet.unit.name.encode()), facet.number])
    write_judged(judge(facet, around, desk.bench(work.inputs), rng), folder)


def _properties(work: Work, desk: Desk, folder: Path) -> None:
    """Find what whole pictures have in common that the model goes by."""
    settings = _settings(work)
    around, bench = desk.surroundings(work.inputs, settings), desk.bench(work.inputs)
    rng = np.random.default_rng([settings.seed, zlib.crc32(b"properties")])
    write_properties(judge_properties(around, bench, rng), folder)


def _gaps(work: Work, desk: Desk, folder: Path) -> None:
    samples = desk.evidence(work.inputs["evidence"]).samples
    windows = desk.windows(work.inputs, CONTRIBUTION)
    concepts, readable = desk.concepts(work.inputs), np.load(work.inputs["readable"] / READABLE)
    known = None if concepts is None else read_concepts(concepts, reader_of(desk.model))
    write_gaps(find_gaps(windows, samples, desk.model, _settings(work).seed, known, readable), folder)


def _generator(work: Work, desk: Desk, folder: Path) -> None:
    """Learn the appearance of a facet and write what the bundle shows of it: nothing of too few crops."""
    facet, samples = _facet(work, desk), desk.evidence(work.inputs["evidence"]).samples
    drawn = draw_generator(facet.windows, samples, desk.model, _settings(work), facet.unit)
    if drawn is None:
        return
    bench = desk.bench(work.inputs)
    doses = walk_axes(drawn.learned.generator, facet.windows, samples, bench, _settings(work).seed)
    assessment = Assessment.model_validate(work.settings["assessment"])
    shown = facet_evidence(assessment, facet.windows, samples, replace(drawn, facet=assessment.facet))
    write_generated(shown, doses, folder)
    (folder / FILES).mkdir()
    drawn.write(folder / FILES)


STAGES: Mapping[str, Stage] = {
    "units": _units,
    "judging": _judging,
    "properties": _properties,
    "gaps": _gaps,
    "generator": _generator,
}
