"""What the list of a facet's entries holds."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.bundle.evidence import FacetEvidence
from foveal_audit.bundle.schema import EntryRef, GapFinding
from foveal_audit.report.listing import chosen, in_gaps, training_first

SOURCES = ("production", "training", "production", "training")


def refs(sources=SOURCES):
    return [
        EntryRef(sample=f"s{i}", window=(0, 0, 4, 4), activation=1.0, source=one)
        for i, one in enumerate(sources)
    ]


def crops(count=4):
    return [np.full((4, 4, 1), i, np.uint8) for i in range(count)]


def test_crops_of_training_come_first_with_their_maps_and_names(facet):
    maps = [np.full((2, 2), i, np.float32) for i in range(4)]
    shown = training_first(FacetEvidence(facet({}), crops(), maps, refs()))
    assert [one.max() for one in shown.crops] == [one.max() for one in shown.maps] == [1, 3, 0, 2]
    assert [one.sample for one in shown.refs] == ["s1", "s3", "s0", "s2"]
    assert training_first(FacetEvidence(facet({}), crops(), refs=refs())).maps == []


def test_what_is_not_known_keeps_its_order(facet):
    for own in (FacetEvidence(facet({}), crops()), FacetEvidence(facet({}), crops(), crops(2), refs())):
        assert training_first(own) is own


def test_a_random_choice_is_called_one(facet):
    assert chosen(facet({}, n_entries={"training": 540}, entries=refs())) == ("A random 4 of 540 are listed.")
    assert chosen(facet({}, n_entries={"training": 540}, entries=[])) == "None of them is listed."
    assert chosen(facet({}, n_entries={"training": 2, "production": 2}, entries=refs())) == ""


@pytest.fixture
def gap():
    """A gap with two samples, one of which shares its name with a training sample."""
    return GapFinding(id="G-00000001", gap="uncovered_group", verdict="suspected", statement="x",
                      share_of_production=0.1, samples=["s0", "s1"], action="acquire")  # fmt: skip


def test_entries_of_a_gap_are_counted_and_those_of_training_are_not(facet, gap):
    one = facet({}, entries=refs())
    other = gap.model_copy(update={"id": "G-00000002", "samples": []})
    assert in_gaps(one, refs()[1:], [other, gap]) == [
        "1 of its 4 listed entries and 0 of the 3 crops shown belong to G-00000001 (section 2.2)."
    ]


def test_a_tenth_is_not_worth_telling_unless_it_is_shown(facet, gap):
    one = facet({}, entries=[*refs(), *refs(["training"] * 6)])
    assert in_gaps(one, [], [gap]) == []
    assert in_gaps(one, refs()[:1], [gap]) == [
        "1 of its 10 listed entries and 1 of the 1 crop shown belong to G-00000001 (section 2.1)."
    ]
