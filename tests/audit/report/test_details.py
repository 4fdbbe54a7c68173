"""What is said of a detail as a whole: on the first page, beside other facets, and about what to do."""

from __future__ import annotations

import pytest

from foveal_audit.bundle.schema import ArtefactFinding, Effect, Effects, EntryRef
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.report import wording
from foveal_audit.report.details import details_of, elsewhere, headline
from foveal_audit.report.remedies import remedies

EXTENT = (96, 96)
CORNER, FAR = (2, 62, 34, 94), (60, 0, 92, 32)


def entries(box, count, source="training", start=0):
    return [
        EntryRef(sample=f"{source}-{i}", window=box, activation=1.0, source=source)
        for i in range(start, start + count)
    ]


def effect(estimate, low=0.05):
    return Effect(estimate=estimate, low=low, high=1.0)


def finding(made):
    return ArtefactFinding.model_validate(made.model_dump())


@pytest.fixture
def mark(facet):
    """Two findings of different units that show one mark, and a third elsewhere."""
    own = [*entries(CORNER, 20), *entries(CORNER, 3, "production")]
    first = facet({}, verdict="confirmed", n_entries={"training": 20, "production": 3}, entries=own,
                  classes={"a": 0.9, "c": 0.1},
                  effects=Effects(removal=effect(0.25), paste=effect(0.3)))  # fmt: skip
    second = facet({}, id="A-00000002", feature="fc1:8", n_entries={"training": 15}, entries=own[:15],
                   classes={"b": 1.0},
                   effects=Effects(removal=effect(0.12), paste=effect(0.4, -0.1)))  # fmt: skip
    third = facet({}, id="A-00000003", feature="fc1:9", n_entries={"training": 15}, entries=entries(FAR, 15))
    return [finding(one) for one in (first, second, third)]


def test_findings_of_one_detail_are_told_as_one(mark):
    one, other = details_of([mark[0], mark[2], mark[1]], EXTENT)
    assert one.title == "One detail, top right corner, found by 2 units (1 confirmed, 1 suspected)."
    assert (one.numbers, one.span, one.verdict, one.several) == (
        ["1.1", "1.2"],
        "1.1 to 1.2",
        "confirmed",
        True,
    )
    assert one.answers == "Where it shows, the answer is most often \u201ca\u201d or \u201cb\u201d."
    assert other.answers == ""
    assert one.lies == "It lies in rows 2\u201334, columns 62\u201394."
    assert one.seen == "Seen in 23 samples (20 training, 3 production)."
    assert one.effect == (
        "Probability of the answer: painting it over takes 0.12 to 0.25 off; "
        "putting it into other images adds 0.30 (in 1 of 2 findings)."
    )
    assert (other.numbers, other.span, other.several) == (["1.3"], "1.3", False)
    assert other.title == "One detail, bottom left corner, found by 1 unit (1 suspected)."
    assert other.effect == "Probability of the answer: no experiment moved it measurably."


def test_a_list_that_was_cut_gives_a_least_number(mark):
    cut = mark[2].model_copy(update={"n_entries": {"training": 540}})
    (one,) = details_of([cut], EXTENT)
    assert one.seen == "Seen in at least 15 samples (15 training)."


def test_what_keeps_to_no_place_has_no_rectangle(facet):
    own = [*entries(CORNER, 15), *entries(FAR, 15, start=15)]
    (one,) = details_of([finding(facet({}, n_entries={"training": 30}, entries=own))], EXTENT)
    assert one.mask is None
    assert one.lies == "No rectangle of twice a window's size holds nearly all of its windows."
    assert one.title == "One detail, found by 1 unit (1 suspected)."
    assert remedies(one, THRESHOLDS)[1] == (
        "Mask it window by window: it keeps to no one rectangle. The lists give each window."
    )


def test_a_detail_where_another_lies_says_so(mark, facet):
    """Units may share one mark out among them, sample by sample: then no sample is in both lists."""
    apart = [*entries(CORNER, 12, start=40), *entries(FAR, 3, start=60)]
    third = finding(facet({}, id="A-00000005", n_entries={"training": 15}, entries=apart))
    first, other = details_of([mark[0], third], EXTENT)
    assert first.near == ""
    assert other.near == "12 of its 15 listed windows lie where 1.1 lies."


def test_the_headline_counts_details_and_not_units(mark, facet, rim):
    found = details_of([*mark, finding(facet(rim, id="A-00000004"))], EXTENT)
    recorded = "1 artefact confirmed, 3 suspected, 1 training-set gap"
    assert headline(found, 1, recorded) == (
        "Reliance confirmed on 1 detail, suspected on 1 detail and 1 property; 1 training-set gap"
    )
    assert headline(found[:1], 0, recorded) == "Reliance confirmed on 1 detail; no training-set gap found"
    assert headline([], 1, "No artefact suspected, 1 training-set gap") == (
        "No artefact suspected, 1 training-set gap"
    )


def test_what_to_do_names_the_rectangle_the_samples_and_the_next_audit(mark):
    (one, _) = details_of([mark[0], mark[2], mark[1]], EXTENT)
    assert remedies(one, THRESHOLDS) == [
        wording.ARTEFACT_ACTION,
        (
            "Mask rows 2\u201334, columns 62\u201394 in the training pictures of all classes alike, so that "
            "the mask itself does not tell the class. This holds 100% of the listed windows whole."
        ),
        (
            "Seen in 23 samples (20 training, 3 production). findings.json names them, with their windows, "
            "under A-00000001, A-00000002. Once an expert calls it an artefact in foveal explore, foveal "
            "worklists writes those of training to unwanted.csv."
        ),
        (
            "The next audit, with --previous, should no longer find it, or find that painting it over moves "
            "the answer by less than 0.05."
        ),
    ]


def test_a_property_is_not_masked(facet, rim):
    (one,) = details_of([finding(facet(rim, entries=entries((0, 0, 96, 96), 5)))], EXTENT)
    steps = remedies(one, THRESHOLDS)
    assert steps[0] == wording.PROPERTY_ACTION
    assert len(steps) == 3
    assert steps[-1].endswith("find that taking it away moves the answer by less than 0.05.")


def test_a_facet_without_a_finding_is_told_to_show_the_same_places(mark, facet):
    found = details_of(mark, EXTENT)
    same = facet({}, verdict="not_relied_on", classes={"none": 1.0}, entries=entries(CORNER, 12, start=8))
    assert elsewhere(same, found) == (
        "Shows the same places as 1.1, on 12 of the 12 samples that both list; "
        "here for the answer \u201cnone\u201d."
    )


def test_a_facet_of_other_samples_is_told_to_lie_there(mark, facet):
    found = details_of(mark, EXTENT)
    own = [*entries(CORNER, 10, start=500), *entries((30, 30, 62, 62), 30, start=500)]
    there = facet({}, verdict="undecidable", entries=own)
    assert elsewhere(there, found) == "10 of its 40 listed windows lie where 1.1 lies."
    assert elsewhere(facet({}, entries=[*own, *entries((30, 30, 62, 62), 1, start=900)]), found) == ""
    assert elsewhere(facet({}, entries=own[1:]), found) == ""


def test_a_property_lies_nowhere(mark, facet, rim):
    whole = facet(rim, entries=entries((0, 0, 96, 96), 20))
    assert elsewhere(whole, details_of(mark, EXTENT)) == ""
