"""Reports on recordings and scans: every sentence word for word, and no page that speaks of pictures."""

import re
from dataclasses import replace

import numpy as np
import pytest

from foveal_audit.bundle.evidence import AuditResult, FacetEvidence, GapEvidence, WholeSample
from foveal_audit.bundle.schema import ArtefactFinding, Effect, Effects, EntryRef, Findings, GapFinding
from foveal_audit.judgement.signals.registry import KINDS
from foveal_audit.judgement.verdict import Thresholds
from foveal_audit.report import opinions, properties, quality, wording
from foveal_audit.report.details import details_of
from foveal_audit.report.page import render_page
from foveal_audit.report.reasoning import Rule, why
from foveal_audit.report.remedies import remedies

AXES = (1, 2, 3)
WINDOWS = {1: (3, 40), 2: (1, 2, 33, 34), 3: (0, 1, 2, 8, 9, 10)}
USED = Effects(removal=Effect(estimate=0.2, low=0.1, high=0.3), paste=Effect(estimate=0.5, low=0.4, high=0.6))
#: Words of pages about pictures.
OF_PICTURES = re.compile(r"pictur|\bimages?\b|rectangle|paint|pixel|colour", re.IGNORECASE)
#: What was measured on pictures is not said of others.
TRUE_OF_PICTURES = (
    "clean models, all of pictures",
    "planted, on pictures, not recordings, and networks",
    "planted, on pictures, not scans, and networks",
)


def entries(window, count=3):
    return [
        EntryRef(sample=f"s{row}", window=window, activation=1.0, source="training", id=f"e{row}")
        for row in range(count)
    ]


@pytest.fixture
def shown(facet):
    """Build a facet that lies in a window, one for each number of axes."""
    return lambda axes, values=(), **changes: facet(dict(values), entries=entries(WINDOWS[axes]), **changes)


def finding(assessment):
    return ArtefactFinding.model_validate(assessment.model_dump())


@pytest.mark.parametrize(
    ("axes", "edit", "into", "place"),
    [
        (1, "Replacing it", "recordings", "recording"),
        (2, "Painting it over", "images", "picture"),
        (3, "Replacing it", "scans", "scan"),
    ],
)
def test_what_was_found(shown, axes, edit, into, place):
    assert wording.statement(shown(axes, {"position_lock": 1.0}, effects=USED)) == (
        f"The model leans on a recurring detail. {edit} takes 0.20 (0.10 to 0.30) off the probability of "
        f"that answer. Putting it into other {into} adds 0.50 (0.40 to 0.60) to the probability of that "
        f"answer. Signs that it has nothing to do with the task: it keeps to the same place in the "
        f"{place}."
    )


@pytest.mark.parametrize(
    ("axes", "removal", "paste"),
    [
        (1, "the detail is replaced", "the detail is put into other recordings"),
        (2, "the detail is painted over", "the detail is put into other images"),
        (3, "the detail is replaced", "the detail is put into other scans"),
    ],
)
def test_what_was_tried(shown, axes, removal, paste):
    terms = wording.effect_terms(shown(axes))
    assert terms["removal"].meaning == f"probability the answer loses when {removal}"
    assert terms["paste"].meaning == f"probability the answer gains when {paste}"


@pytest.mark.parametrize(("axes", "whole"), [(1, "recording"), (2, "picture"), (3, "scan")])
def test_a_property_is_one_of_whole_samples(shown, rim, axes, whole):
    one = shown(axes, rim, effects=USED, classes={"a": 1.0})
    assert wording.statement(one).startswith(
        f"The model goes by a property of the whole {whole}: little brightness along the rim. Where it "
        f"shows, the answer is most often \u201ca\u201d (100% of the {whole}s that carry it). Taking it away "
        f"from its {whole}s takes 0.20 (0.10 to 0.30) off the probability of that answer. Carrying it over "
        f"to other {whole}s adds 0.50 (0.40 to 0.60) to the probability of that answer."
    )
    assert why(one, Rule.of({}))[-1] == (
        f"Suspected: a property of whole {whole}s passes through no one unit, so it is never confirmed."
    )
    assert properties.carried(one).meaning == f"the rim of each {whole} alone"
    assert properties.carriers_have(shown(axes)) == f"something that the other {whole}s lack"
    assert wording.effect_terms(one)["paste"].meaning == (
        f"probability the answer gains when {whole}s of other classes get this"
    )


@pytest.mark.parametrize(
    ("axes", "lies", "mask"),
    [
        (1, "It lies in steps 3\u201340.", "Mask steps 3\u201340 in the training recordings"),
        (
            2,
            "It lies in rows 1\u201333, columns 2\u201334.",
            "Mask rows 1\u201333, columns 2\u201334 in the training pictures",
        ),
        (
            3,
            "It lies in slices 0\u20138, rows 1\u20139, columns 2\u201310.",
            "Mask slices 0\u20138, rows 1\u20139, columns 2\u201310 in the training scans",
        ),
    ],
)
def test_where_it_lies_and_what_to_do(shown, axes, lies, mask):
    [detail] = details_of([finding(shown(axes, effects=USED))], (40, 40))
    edit = {1: "replacing it", 2: "painting it over", 3: "replacing it"}[axes]
    assert detail.lies == lies
    steps = remedies(detail, Thresholds())
    assert steps[1] == (
        f"{mask} of all classes alike, so that the mask itself does not tell the class. This holds 100% of "
        "the listed windows whole."
    )
    assert steps[-1] == (
        f"The next audit, with --previous, should no longer find it, or find that {edit} moves the answer by "
        "less than 0.05."
    )


@pytest.mark.parametrize(
    ("axes", "part", "into"),
    [
        (1, "stretch of time", "other recordings"),
        (2, "rectangle", "other images"),
        (3, "box", "other scans"),
    ],
)
def test_what_lies_anywhere(facet, axes, part, into):
    starts, sides = np.arange(20)[:, None] * 90 * np.ones(axes, int), np.full(axes, 9)
    spread = [
        entries((*map(int, low), *map(int, low + sides)), 1)[0].model_copy(update={"sample": f"s{row}"})
        for row, low in enumerate(starts)
    ]
    [detail] = details_of([finding(facet({}, entries=spread, effects=USED))], (2000, 2000))
    assert detail.lies == f"No {part} of twice a window's size holds nearly all of its windows."
    assert remedies(detail, Thresholds())[1] == (
        f"Mask it window by window: it keeps to no one {part}. The lists give each window."
    )
    edit = "painting it over" if axes == 2 else "replacing it"
    assert (
        detail.effect
        == f"Probability of the answer: {edit} takes 0.20 off; putting it into {into} adds 0.50."
    )


@pytest.mark.parametrize("axes", AXES)
def test_a_generator_draws_and_does_not_record(axes):
    what = "pictures" if axes == 2 else "variants"
    assert quality.quality({"memorised": True}, axes) == [
        f"It memorised its crops, so its {what} are not shown."
    ]
    assert quality.quality({"c2st": 0.5}, axes) == [
        f"Usable: a classifier tells its {what} from real ones in 50% of cases."
    ]


@pytest.mark.parametrize(("axes", "whole"), [(1, "recordings"), (2, "pictures"), (3, "scans")])
def test_what_experts_spoke_of_is_named(shown, rim, axes, whole):
    one = shown(axes, rim)
    about = type("About", (), {"about": one.id})
    assert opinions._title(about, [one], None) == f"property of whole {whole} 0 of fc1:7"


def audit_of(result, facet, rim, axes):
    """Every verdict with every sign on either side, as a detail, as a property and without experiments."""
    crop, made, shown = np.full((8, 8, 1), 99, np.uint8), [], entries(WINDOWS[axes])
    named = {f"{one.name}:site" if one.needs == "metadata" else one.name for one in KINDS.values()}
    controls = ("control_scrambled", "paste_elsewhere", "context_independence", "control_plain")
    for number, verdict in enumerate(("confirmed", "suspected", "genuine", "not_relied_on", "undecidable")):
        strong = dict.fromkeys((*named, *controls, "control_elsewhere"), (0.9, 0.1)[number % 2])
        flagged = "suspected" if verdict == "confirmed" else verdict
        for place, (values, effects, own) in enumerate(
            [(strong, USED, verdict), (rim, USED, flagged), ({}, Effects(), verdict)]
        ):
            known = {
                "id": f"A-{place}000000{number}",
                "feature": f"f{number}",
                "facet": place,
                "verdict": own,
            }
            made.append(facet(values, entries=shown, effects=effects, classes={"a": 1.0}, **known))
    whole = [WholeSample(crop, (0.1, 0.1, 0.5, 0.5), shown[0], kept_only=True)]
    drawn = FacetEvidence(
        made[0], [crop] * 2, refs=shown[:2], whole=whole, generated=[crop], nearest=[crop],
        card={"memorised": True}, lattice={"steps": 3}, generator_dir="g",
    )  # fmt: skip
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    gap = result.findings.gaps[0]
    return AuditResult(
        Findings.of(made, [gap], **fields),
        [replace(drawn, assessment=one) for one in made],
        [GapEvidence(GapFinding.model_validate(gap.model_dump()), [crop], shown[:1], [crop], whole)],
    )


def words_of(html):
    """The text of a page and what is said to those who do not see it, without style, scripts and data."""
    bare = re.sub(
        r"<style>.*?</style>|<script.*?</script>|src=\"[^\"]*\"|class=\"[^\"]*\"", "", html, flags=re.S
    )
    spoken = re.findall(r"(?:alt|aria-label)=\"([^\"]*)\"", bare)
    return " ".join(re.sub(r"<[^>]*>", " ", bare).split()) + " " + " ".join(spoken)


@pytest.mark.parametrize(("axes", "whole"), [(1, "recordings"), (3, "scans")])
def test_no_page_of_a_report_speaks_of_pictures_where_there_are_none(module_result, facet, rim, axes, whole):
    words = words_of(render_page(audit_of(module_result, facet, rim, axes)))
    for true in TRUE_OF_PICTURES:
        words = words.replace(true, "")
    found = [words[max(0, one.start() - 50) : one.end() + 50] for one in OF_PICTURES.finditer(words)]
    assert found == []
    assert f"Whole {whole} that carry it, as recorded" in words
    assert "precomputed drawings" in words


def test_a_page_of_pictures_does(module_result, facet, rim):
    words = words_of(render_page(audit_of(module_result, facet, rim, 2)))
    found = {one[0].lower() for one in OF_PICTURES.finditer(words)}
    assert {"pictur", "images", "paint", "pixel", "colour"} <= found
    assert "Whole pictures that carry it, as recorded" in words
