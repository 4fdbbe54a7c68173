"""What the templates show: each finding with its pictures drawn and its numbers placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

from PIL import Image

from foveal_audit.bundle.evidence import AuditResult, Crop, FacetEvidence, GapEvidence
from foveal_audit.bundle.schema import Assessment, Effect, EntryRef, Findings, GapFinding
from foveal_audit.bundle.summary import plural
from foveal_audit.bundle.worklist import Order
from foveal_audit.nouns import axes_in, axes_of, say
from foveal_audit.report import listing, pictures, properties, wholes, wording
from foveal_audit.report.arguing import Case, case_of, start
from foveal_audit.report.bars import Bar, axis_of, bar
from foveal_audit.report.changing import SinceView, since_view
from foveal_audit.report.details import Detail, details_of, elsewhere, headline
from foveal_audit.report.error_rates import ErrorRates, measured_rates
from foveal_audit.report.mapping import MAPPING, Row
from foveal_audit.report.naming import Term
from foveal_audit.report.quality import quality
from foveal_audit.report.reasoning import Rule, why
from foveal_audit.report.remedies import remedies
from foveal_audit.report.sheets import COLUMNS, Picture, sheet
from foveal_audit.report.wholes import Whole

#: Generated variants beside the nearest real crop: as many rows as twelve crops have.
PAIRS = 6
#: Crops of a finding on the first page.
FIRST = 2
#: Numbers in the window of a picture (a trace has two, a volume six).
PLANE = 4


@dataclass(frozen=True)
class Density:
    """How many crops a finding and any other facet may show, and whose appearance has sliders."""

    finding: int
    other: int
    sliders: Literal["all", "findings", "none"] = "none"


@dataclass(frozen=True)
class EffectRow:
    """One causal test in words and as a bar."""

    term: Term
    effect: Effect
    bar: Bar


@dataclass(frozen=True)
class FacetView:
    """A facet as shown; pictures that do not exist are ``None``."""

    assessment: Assessment
    is_property: bool
    statement: str
    why: Sequence[str]
    case: Case
    shown: int
    refs: Sequence[EntryRef]
    strip: Picture | None
    crops: Picture | None
    evidence: Picture | None
    carried: Picture | None
    carried_term: Term | None
    generated: Picture | None
    lattice: Mapping[str, Any] | None
    where: Picture | None
    whole: Whole | None
    place: str
    effects: Sequence[EffectRow]
    quality: Sequence[str]
    generator_dir: str | None
    listed: str
    gaps: Sequence[str]
    elsewhere: str = ""
    measures: Sequence[str] = ()


@dataclass(frozen=True)
class DetailView:
    """A detail as shown: the findings that show it, and what to do."""

    told: Detail
    views: Sequence[FacetView]
    todo: Sequence[str]


@dataclass(frozen=True)
class GapView:
    """A gap as shown."""

    finding: GapFinding
    order: Order | None
    refs: Sequence[EntryRef]
    strip: Picture | None
    pairs: Picture | None
    whole: Whole | None


@dataclass(frozen=True)
class Page:
    """Everything the templates need."""

    findings: Findings
    headline: str
    details: Sequence[DetailView]
    gaps: Sequence[GapView]
    others: Sequence[FacetView]
    rates: ErrorRates
    mapping: Sequence[Row]
    start: float
    since: SinceView
    axes: int

    @property
    def artefacts(self) -> Sequence[FacetView]:
        """The findings that are artefacts, detail by detail."""
        return [view for detail in self.details for view in detail.views]

    @property
    def ledger(self) -> Sequence[tuple[str, Assessment]]:
        """Every facet and where it stands: the findings in the order of their section, then the others."""
        found = [
            pair for one in self.details for pair in zip(one.told.numbers, one.told.findings, strict=True)
        ]
        return [*found, *(("", view.assessment) for view in self.others)]

    @property
    def counts(self) -> Mapping[str, int]:
        """How much some of the sections hold."""
        findings, told = self.findings, self.since.told
        return {
            "artefacts": len(self.artefacts),
            "gaps": len(self.gaps),
            "facets": findings.summary.facets,
            "nodes": len(findings.node_pipeline),
            "unexamined": len(findings.not_examined),
            **({"changes": len(told.changes)} if told else {}),
        }

    @property
    def has_sliders(self) -> bool:
        """Whether any facet's appearance can be walked through."""
        return any(view.lattice for view in (*self.artefacts, *self.others))

    @property
    def has_sounds(self) -> bool:
        """Whether anything on it can be heard."""
        shown = [*(view.whole for view in self.artefacts), *(view.whole for view in self.gaps)]
        return any(whole.players for whole in shown if whole)


def make_page(result: AuditResult, density: Density) -> Page:
    """Draw everything, in the order of the findings."""
    findings = result.findings
    rule = Rule.of(findings.config.model_dump())
    evidence = {facet.assessment.id: facet for facet in result.facets}
    gaps = {gap.finding.id: gap for gap in result.gaps}
    orders = {order.finding.id: order for order in result.worklist}
    extent = _extent(findings)
    flagged = {one.id for one in findings.artefacts}
    spacings = {name: one.spacing for name, one in evidence.items()}
    details = details_of(findings.artefacts, extent, spacings)

    def facet(assessment: Assessment, limit: int) -> FacetView:
        shown, found = evidence.get(assessment.id, FacetEvidence(assessment)), assessment.id in flagged
        view = _facet(listing.training_first(shown), extent, limit, found, rule, findings.gaps)
        slides = density.sliders == "all" or (found and density.sliders == "findings")
        return replace(
            view,
            lattice=view.lattice if slides else None,
            elsewhere="" if found else elsewhere(assessment, details),
        )

    return Page(
        findings,
        headline(details, len(findings.gaps), findings.summary.headline),
        details=[
            DetailView(
                one,
                [facet(finding, density.finding) for finding in one.findings],
                remedies(one, rule.limits),
            )
            for one in details
        ],
        gaps=[
            _gap(gaps.get(one.id, GapEvidence(one)), density.finding, orders.get(one.id), axes_in(findings))
            for one in findings.gaps
        ],
        others=[facet(one, density.other) for one in findings.assessments if one.id not in flagged],
        rates=measured_rates(),
        mapping=MAPPING,
        start=start(rule.fusion),
        since=since_view(findings),
        axes=axes_in(findings),
    )


def _facet(
    evidence: FacetEvidence,
    extent: tuple[int, int],
    limit: int,
    in_full: bool,
    rule: Rule,
    gaps: Sequence[GapFinding],
) -> FacetView:
    """Draw a facet; one that is no finding shows its strip only."""
    assessment, about = evidence.assessment, _about(evidence.assessment)
    whole, axes = properties.is_property(assessment), axes_of(assessment)
    marked = _marked(evidence, limit)
    full = limit if in_full else 0
    return FacetView(
        assessment=assessment,
        is_property=whole,
        statement=wording.statement(assessment),
        why=why(assessment, rule),
        case=case_of(assessment, rule.fusion),
        shown=len(marked),
        refs=evidence.refs[: len(marked)],
        strip=_first(marked, evidence, about) if in_full else _strip(marked[:COLUMNS], about, whole, axes),
        crops=_recorded(evidence.crops[:full], about, whole, axes),
        evidence=_evidence(marked, about) if in_full and not whole else None,
        carried=_carried(evidence.crops[:full], assessment, about) if whole else None,
        carried_term=properties.carried(assessment) if whole else None,
        generated=_generated(evidence, min(limit, PAIRS), about) if in_full else None,
        lattice=evidence.lattice,
        where=_where(assessment, extent, about) if in_full and not whole else None,
        whole=wholes.drawn(evidence.whole, evidence.refs[:full], about, axes),
        place=_place(_boxes(assessment), extent),
        effects=_effects(assessment),
        quality=quality(evidence.card or {}, axes),
        generator_dir=evidence.generator_dir,
        listed=listing.chosen(assessment),
        gaps=listing.in_gaps(assessment, evidence.refs[: len(marked)], gaps),
        measures=() if whole else listing.measures(evidence, in_full),
    )


def _first(marked: Sequence[Image.Image], evidence: FacetEvidence, about: str) -> Picture | None:
    """Draw what a finding shows on the first page: a crop and the whole sample it is from, else crops."""
    axes = axes_of(evidence.assessment)
    whole = wholes.of_crops(evidence.whole, evidence.refs[: len(marked)])
    if not whole:
        return _strip(marked[:FIRST], about, properties.is_property(evidence.assessment), axes)
    shown = "a crop with the model's evidence outlined, and its whole picture with the window framed."
    return sheet([marked[0], wholes.framed(whole[0])], f"{about}: {say(shown, axes)}")


def _strip(marked: Sequence[Image.Image], about: str, whole: bool, axes: int) -> Picture | None:
    if whole:
        shown = plural(len(marked), say("whole picture", axes))
        return sheet(marked, f"{about}: {shown} with this property.")
    return sheet(marked, f"{about}: {_crops(len(marked))} with the model's evidence outlined.")


def _recorded(crops: Sequence[Crop], about: str, whole: bool, axes: int) -> Picture | None:
    shown = plural(len(crops), say("whole picture", axes) if whole else "crop")
    return sheet([pictures.tile(crop) for crop in crops], f"{about}: {shown} as recorded.", numbered=True)


def _evidence(marked: Sequence[Image.Image], about: str) -> Picture | None:
    return sheet(marked, f"{about}: the same crops, the model's evidence outlined.", numbered=True)


def _carried(crops: Sequence[Crop], assessment: Assessment, about: str) -> Picture | None:
    """Show of the same pictures what the experiment carries over: a property is no window to outline."""
    shown = [properties.made_visible(pictures.rgb(crop), assessment) for crop in crops]
    tiles = [pictures.enlarged(one) for one in shown if one is not None]
    same = say("what the experiment carries over, of the same pictures.", axes_of(assessment))
    return sheet(tiles, f"{about}: {same}", numbered=True)


def _gap(evidence: GapEvidence, limit: int, order: Order | None, axes: int) -> GapView:
    finding = evidence.finding
    crops = evidence.crops[:limit]
    about = f"{wording.gap_title(finding)} {finding.id}"
    tiles = [pictures.tile(crop) for crop in crops]
    pairs = _paired(tiles, evidence.nearest)
    alt = f"{about}: {_crops(len(crops))} from production, each with the nearest training crop to its right."
    return GapView(
        whole=wholes.drawn(evidence.whole, evidence.refs[: len(crops)], about, axes),
        finding=finding,
        order=order,
        refs=evidence.refs[: len(crops)],
        strip=sheet(tiles[:COLUMNS], f"{about}: {_crops(len(tiles[:COLUMNS]))} from production."),
        pairs=sheet(pairs, alt, numbered=True, paired=True)
        if pairs
        else sheet(tiles, f"{about}: {_crops(len(crops))} from production.", numbered=True),
    )


def _marked(evidence: FacetEvidence, limit: int) -> list[Image.Image]:
    crops = evidence.crops[:limit]
    maps = () if properties.is_property(evidence.assessment) else evidence.maps[: len(crops)]
    drawn = [pictures.overlay(crop, raw) for crop, raw in zip(crops, maps, strict=False)]
    return drawn + [pictures.tile(crop) for crop in crops[len(drawn) :]]


def _generated(evidence: FacetEvidence, limit: int, about: str) -> Picture | None:
    tiles = [pictures.synthetic(crop) for crop in evidence.generated[:limit]]
    pairs = _paired(tiles, evidence.nearest)
    variants = plural(len(tiles), "generated variant")
    alt = f"{about}: {variants}, framed by hatching, each with the nearest real crop to its right."
    return sheet(pairs, alt, numbered=True, paired=True)


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
    tests, terms = assessment.effects, wording.effect_terms(assessment)
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
            rows.append(EffectRow(terms[name], effect, bar(effect, axis)))
    return rows


def _about(assessment: Assessment) -> str:
    wanted = wording.top_class(assessment)
    seen_as = f", mostly answered \u201c{wanted}\u201d" if wanted else ""
    verdict = wording.VERDICTS[assessment.verdict].name
    return f"{verdict} {assessment.id}, facet {assessment.facet} of {assessment.feature}{seen_as}"


def _crops(count: int) -> str:
    return plural(count, "crop")
