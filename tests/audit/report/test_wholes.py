"""Whole samples in the report: beside the crops, numbered as they are, the window framed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal_audit.bundle.evidence import FacetEvidence, GapEvidence, WholeSample
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.report import pictures, wholes
from foveal_audit.report.page import DENSITIES, render_page
from foveal_audit.report.views import make_page


def ref(number):
    return EntryRef(
        sample=f"s{number}", window=(0, 0, 4, 4), activation=1.0, source="training", id=f"{number}"
    )


def sample(number, kept_only=False):
    return WholeSample(np.full((64, 96, 3), 99, np.uint8), (0.25, 0.5, 0.5, 0.75), ref(number), kept_only)


def test_the_frame_is_white_between_two_dark_lines():
    drawn = np.asarray(pictures.framed(Image.new("L", (20, 12), 99).convert("RGB"), (0.25, 0.2, 0.75, 0.8)))[
        ..., 0
    ]
    expected = np.full((12, 20), 99)
    expected[2:10, 3:17] = 20
    expected[3:9, 4:16] = 255
    expected[4:8, 5:15] = 20
    expected[5:7, 6:14] = 99
    np.testing.assert_array_equal(drawn, expected)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(1, 40), st.integers(1, 40))
def test_any_frame_can_be_drawn(edges, height, width):
    y0, y1, x0, x1 = (*sorted(edges[:2]), *sorted(edges[2:]))
    drawn = pictures.framed(Image.new("RGB", (width, height), (99, 99, 99)), (y0, x0, y1, x1))
    assert drawn.size == (width, height)


def test_a_whole_picture_is_framed_to_its_very_edges():
    drawn = np.asarray(pictures.framed(Image.new("RGB", (8, 6), (99, 99, 99)), (0, 0, 1, 1)))[..., 0]
    assert (drawn[0] == 255).all()
    assert (drawn[:, -1] == 255).all()
    assert (drawn[2:-2, 2:-2] == 99).all()


def test_only_the_samples_of_the_first_crops_are_shown_for_they_carry_their_numbers():
    both = [sample(0), sample(1)]
    assert wholes.of_crops(both, [ref(0), ref(1), ref(2)]) == both
    assert wholes.of_crops(both, [ref(0)]) == both[:1]
    assert wholes.of_crops(both, [ref(0), ref(2)]) == both[:1]
    assert wholes.of_crops(both, [ref(1), ref(0)]) == []
    assert wholes.drawn(both, [ref(1)], "x") is None
    assert wholes.drawn([], [ref(1)], "x") is None


@pytest.mark.parametrize(
    ("gone", "note"),
    [
        ((), ""),
        ((1,), "Of 2 only windows were kept, laid out here where they were seen; the rest is grey."),
        ((0, 1), "Of 1 and 2 only windows were kept, laid out here where they were seen; the rest is grey."),
    ],
)
def test_what_is_not_the_sample_itself_is_said(gone, note):
    shown = wholes.drawn([sample(row, row in gone) for row in range(2)], [ref(0), ref(1)], "A facet")
    assert shown.note == note
    assert shown.picture.alt == "A facet: 2 whole pictures with the window of the crop framed."
    assert (shown.picture.width, shown.picture.height) == (2 * 192 + 8, 128 + 8 + 7)


def with_wholes(result):
    """Give the first finding and the first gap the whole samples of their first two crops."""
    facet, gap = result.facets[0], result.gaps[0]
    own, other = ([WholeSample(sample(0).picture, sample(0).frame, one) for one in refs[:2]]
                  for refs in (facet.refs, gap.refs))  # fmt: skip
    facets = [FacetEvidence(**vars(facet) | {"whole": own}), *result.facets[1:]]
    gaps = [GapEvidence(**vars(gap) | {"whole": other})]
    return type(result)(**vars(result) | {"facets": facets, "gaps": gaps})


TITLE = "<b>Where in the whole picture.</b>"


def test_the_report_shows_them_with_findings_and_gaps_and_on_the_first_page(result):
    assert TITLE not in render_page(result)
    html = render_page(with_wholes(result))
    assert html.count(TITLE) == 2
    first, rest = html.split("<main>")
    assert (
        "a crop with the model&#39;s evidence outlined, and its whole picture with the window framed."
        in first
    )
    assert rest.count("2 whole pictures with the window of the crop framed.") == 2


def test_they_can_be_left_out(result):
    assert render_page(with_wholes(result).cropped()) == render_page(result)


def test_a_card_without_whole_pictures_shows_crops_as_before(result):
    first = render_page(result).split("<main>")[0]
    assert "2 crops with the model&#39;s evidence outlined." in first


def test_every_facet_stands_in_the_order_of_the_findings(result):
    page = make_page(result, DENSITIES[0])
    places = [(place, one.id) for place, one in page.ledger]
    found = [one.id for detail in page.details for one in detail.told.findings]
    assert [place for place, _ in places[: len(found)]] == [f"1.{n + 1}" for n in range(len(found))]
    assert [id_ for _, id_ in places[: len(found)]] == found
    others = [one for place, one in page.ledger if not place]
    assert len(places) == len(result.findings.assessments)
    assert [one.artefact_score for one in others] == sorted(
        (one.artefact_score for one in others), reverse=True
    )
