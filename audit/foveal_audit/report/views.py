"""What the templates show: each finding with its pictures drawn and its numbers placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from PIL import Image

from foveal_audit.bundle.evidence import AuditResult, Crop, FacetEvidence, GapEvidence
from foveal_audit.bundle.schema import Assessment, Effect, EntryRef, Findings, GapFinding
from foveal_audit.bundle.summary import plural
from foveal_audit.report import pictures, wording
from foveal_audit.report.bars import Bar, axis_of, bar

COLUMNS = 4
#: Numbers in the window of a picture (a trace has two, a volume six).
PLANE = 4


@dataclass(frozen=True)
class Density:
    """How many crops a finding and any other facet may show."""

    finding: int
    other: int


@dataclass(frozen=True)
class Picture:
    """A drawn picture, its shown size and what it shows, for those who cannot see it."""

    uri: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class EffectRow:
    """One causal test in words and as a bar."""

    term: wording.Term
    effect: Effect
    bar: Bar


@dataclass(frozen=True)
class FacetView:
    """A facet as shown; pictures that do not exist are ``None``."""

    assessment: Assessment
    statement: str
    shown: int
    refs: Sequence[EntryRef]
    strip: Picture | None
    crops: Picture | None
    evidence: Picture | None
    generated: Picture | None
    where: Picture | None
    place: str
    effects: Sequence[EffectRow]
    card: Sequence[tuple[str, str]]
    generator_dir: str | None


@dataclass(frozen=True)
class GapView:
    """A gap as shown."""

    finding: GapFinding
    refs: Sequence[EntryRef]
    strip: Picture | None
    pairs: Picture | None


@dataclass(frozen=True)
class Page:
    """Everything the templates need."""

    findings: Findings
    artefacts: Sequence[FacetView]
    gaps: Sequence[GapView]
    others: Sequence[FacetView]


def make_page(result: AuditResult, density: Density) -> Page:
    """Draw everything, in the order of the findings."""
    findings = result.findings
    evidence = {facet.assessment.id: facet for facet in result.facets}
    gap_evidence = {gap.finding.id: gap for gap in result.gaps}
    extent = _extent(findings)
    flagged = {one.id for one in findings.artefacts}

    def facet(assessment: Assessment, limit: int) -> FacetView:
        return _facet(
            evidence.get(assessment.id, FacetEvidence(assessment)), extent, limit, assessment.id in flagged
        )

    return Page(
        findings,
        artefacts=[facet(one, density.finding) for one in findings.artefacts],
        gaps=[_gap(gap_evidence.get(one.id, GapEvidence(one)), density.finding) for one in findings.gaps],
        others=[facet(one, density.other) for one in findings.assessments if one.id not in flagged],
    )


def _facet(evidence: FacetEvidence, extent: tuple[int, int], limit: int, in_full: bool) -> FacetView:
    """Draw a facet; one that is no finding shows its strip only."""
    assessment, about = evidence.assessment, _about(evidence.assessment)
    marked = _marked(evidence, limit)
    plain = [pictures.tile(crop) for crop in evidence.crops[:limit]] if in_full else []
    return FacetView(
        assessment=assessment,
        statement=wording.statement(assessment),
        shown=len(marked),
        refs=evidence.refs[: len(marked)],
        strip=_sheet(
            marked[:COLUMNS], f"{about}: {_crops(len(marked[:COLUMNS]))} with the model's evidence outlined."
        ),
        crops=_sheet(plain, f"{about}: {_crops(len(plain))} as recorded.", numbered=True),
        evidence=_sheet(marked, f"{about}: the same crops, the model's evidence outlined.", numbered=True)
        if in_full
        else None,
        generated=_generated(evidence, limit, about) if in_full else None,
        where=_where(assessment, extent, about) if in_full else None,
        place=_place(_boxes(assessment), extent),
        effects=_effects(assessment),
        card=list(wording.flat(evidence.card or {})),
        generator_dir=evidence.generator_dir,
    )


def _gap(evidence: GapEvidence, limit: int) -> GapView:
    finding = evidence.finding
    crops = evidence.crops[:limit]
    about = f"{wording.gap_title(finding)} {finding.id}"
    tiles = [pictures.tile(crop) for crop in crops]
    pairs = _paired(tiles, evidence.nearest)
    alt = f"{about}: {_crops(len(crops))} from production, each with the nearest training crop to its right."
    return GapView(
        finding=finding,
        refs=evidence.refs[: len(crops)],
        strip=_sheet(tiles[:COLUMNS], f"{about}: {_crops(len(tiles[:COLUMNS]))} from production."),
        pairs=_sheet(pairs, alt, numbered=True, paired=True)
        if pairs
        else _sheet(tiles, f"{about}: {_crops(len(crops))} from production.", numbered=True),
    )


def _marked(evidence: FacetEvidence, limit: int) -> list[Image.Image]:
    crops = evidence.crops[:limit]
    maps = evidence.maps[: len(crops)]
    drawn = [pictures.overlay(crop, raw) for crop, raw in zip(crops, maps, strict=False)]
    return drawn + [pictures.tile(crop) for crop in crops[len(drawn) :]]


def _generated(evidence: FacetEvidence, limit: int, about: str) -> Picture | None:
    tiles = [pictures.synthetic(crop) for crop in evidence.generated[:limit]]
    pairs = _paired(tiles, evidence.nearest)
    variants = plural(len(tiles), "generated variant")
    alt = f"{about}: {variants}, framed by hatching, each with the nearest real crop to its right."
    return _sheet(pairs, alt, numbered=True, paired=True)


def _paired(left: Sequence[Image.Image], right: Sequence[Crop]) -> list[Image.Image]:
    """Set partners side by side; what has no partner is not shown as if it had one."""
    partners = (pictures.tile(crop) for crop in right)
    return list(chain.from_iterable(zip(left, partners, strict=False)))


def _where(assessment: Assessment, extent: tuple[int, int], about: str) -> Picture | None:
    boxes = _boxes(assessment)
    if not boxes:
        return None
    image = pictures.where(boxes, extent)
    return Picture(pictures.png_uri(image), *image.size, f"{about}: {_place(boxes, extent)}")


def _boxes(assessment: Assessment) -> list[tuple[int, ...]]:
    return [entry.window for entry in assessment.entries if len(entry.window) == PLANE]


def _place(boxes: Sequence[tuple[int, ...]], extent: tuple[int, int]) -> str:
    """Say in words where the middle of the windows lies in the frame."""
    if not boxes:
        return ""
    y, x = (
        sum(box[axis] + box[axis + 2] for box in boxes) / (2 * len(boxes) * extent[axis]) for axis in (0, 1)
    )
    return f"{plural(len(boxes), 'window')}, on average {y:.0%} down and {x:.0%} across the image frame."


def _extent(findings: Findings) -> tuple[int, int]:
    """Find the frame that holds every window of the audit: height, width."""
    boxes = [box for one in findings.assessments for box in _boxes(one)]
    return max((box[2] for box in boxes), default=1), max((box[3] for box in boxes), default=1)


def _effects(assessment: Assessment) -> list[EffectRow]:
    """Place the effects; removal and paste both change a probability, so they share an axis to compare."""
    tests = assessment.effects
    axes = [
        ("removal", [tests.removal, tests.paste]),
        ("paste", [tests.removal, tests.paste]),
        ("mediation", [tests.mediation]),
    ]
    rows = []
    for name, together in axes:
        effect = getattr(tests, name)
        if effect is not None:
            axis = axis_of([one for one in together if one is not None])
            rows.append(EffectRow(wording.EFFECTS[name], effect, bar(effect, axis)))
    return rows


def _sheet(
    tiles: Sequence[Image.Image], alt: str, numbered: bool = False, paired: bool = False
) -> Picture | None:
    if not tiles:
        return None
    image = pictures.montage(tiles, COLUMNS, numbered, paired)
    return Picture(pictures.png_uri(image), *image.size, alt)


def _about(assessment: Assessment) -> str:
    wanted = wording.top_class(assessment)
    seen_as = f", mostly answered \u201c{wanted}\u201d" if wanted else ""
    verdict = wording.VERDICTS[assessment.verdict].name
    return f"{verdict} {assessment.id}, facet {assessment.facet} of {assessment.feature}{seen_as}"


def _crops(count: int) -> str:
    return plural(count, "crop")
