"""What a facet shows, and which gap a group is."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.benchmarking.matching import fit_of, is_wide, match_groups, what_shows
from foveal_audit.benchmarking.truths import Extent, Sample
from foveal_audit.planting.masks import encode_mask

CORNER, MIDDLE, EMPTY = (0, 44, 20, 64), (22, 22, 42, 42), (44, 0, 64, 20)


def marked(one):
    return "mark 0" in one.encoded


@pytest.mark.parametrize(
    ("box", "where", "relied", "kind"),
    [
        (CORNER, marked, ("mark 0",), "artefact"),
        (CORNER, marked, (), "inert"),
        (CORNER, lambda one: not marked(one), ("mark 0",), "other"),
        (MIDDLE, lambda one: one.outcome == 2, ("object",), "genuine"),
        (MIDDLE, lambda one: one.outcome == 2, (), "idle"),
        (EMPTY, lambda one: one.outcome == 2, ("object",), "other"),
        (MIDDLE, lambda one: one.outcome == 0, ("object",), "other"),
    ],
)
def test_a_facet_shows_what_lies_in_its_windows(facet, make_truth, box, where, relied, kind):
    assert what_shows(facet(box, where), make_truth(relied)).kind == kind


def fit(facet, name, truth):
    found = fit_of(facet, next(one for one in truth.factors if one.name == name), truth)
    return found.share, found.needed, found.wide


def test_half_of_the_entries_are_enough(facet, make_truth):
    both = facet(CORNER, lambda one: one.outcome == 1)  # the mark is on every second of them
    assert fit(both, "mark 0", make_truth()) == (0.5, 0.5, False)
    assert what_shows(both, make_truth()).kind == "artefact"
    fewer = facet(CORNER, lambda one: one.outcome != 2)
    assert what_shows(fewer, make_truth()).kind == "other"


def test_what_is_everywhere_must_be_shown_more_than_the_class_shows_it(facet, make_truth):
    truth = make_truth(("mark 1", "object"))
    usual = facet(EMPTY, lambda one: one.outcome == 1)
    assert fit(usual, "mark 1", truth) == (0.5, 0.75, True)
    assert what_shows(usual, truth).kind == "other"
    tinted = facet(EMPTY, lambda one: "mark 1" in one.encoded)
    assert what_shows(tinted, truth).kind == "artefact"


def test_on_an_object_the_mark_comes_first(facet, make_truth):
    large = facet((0, 22, 42, 62), lambda one: marked(one) and one.outcome == 1)
    assert what_shows(large, make_truth()).factor.name == "mark 0"


def test_what_is_everywhere_behind_a_relied_object_is_mixed(facet, make_truth):
    before = facet(MIDDLE, lambda one: "mark 1" in one.encoded)
    shown = what_shows(before, make_truth(("mark 1", "object")))
    assert (shown.kind, shown.factor.name, shown.alone) == ("mixed", "mark 1", False)
    assert what_shows(before, make_truth(("mark 1",))).kind == "artefact"


@pytest.mark.parametrize(
    ("box", "kind"),
    [((7, 50, 27, 70), "artefact"), ((9, 44, 29, 64), "artefact"), ((10, 44, 30, 64), "other")],
)
def test_a_quarter_of_the_smaller_box_is_enough(facet, make_truth, box, kind):
    """The mark fills rows 2 to 12 of columns 50 to 62: of its 120 pixels 60, 36 and 24 lie in the window."""
    assert what_shows(facet(box, marked), make_truth()).kind == kind


def test_entries_of_unknown_samples_show_nothing(facet, make_truth):
    unknown = facet(CORNER, lambda one: False)
    assert what_shows(unknown, make_truth()).kind == "other"


def test_wide_masks_span_most_of_the_picture():
    mask = np.zeros((64, 64), dtype=bool)
    assert Sample(0, "training", None, {"mark 0": encode_mask(mask)}).extents == {}
    mask[[0, 63], [0, 63]] = True  # two hairs' ends
    assert is_wide(Extent.of(mask))
    mask[:] = False
    mask[:40, 3:43] = True
    assert Extent.of(mask).box == (0, 3, 40, 43)
    assert not is_wide(Extent.of(mask))


def test_a_sample_travels_without_what_was_worked_out():
    sample = Sample(0, "training", None, {"mark 0": encode_mask(np.ones((64, 64), dtype=bool))})
    before = pickle.dumps(sample)
    assert sample.extents["mark 0"].box == (0, 0, 64, 64)
    assert pickle.dumps(sample) == before
    assert pickle.loads(before) == sample


groups = st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), max_size=4)


@given(groups, groups)
def test_pairing_is_the_best_of_all(found, planted):
    matched = match_groups(found, planted)

    def overlap(pairs):
        return sum(len(g & p) / len(g | p) for g, p in pairs)

    shorter, longer = sorted((found, planted), key=len)
    best = max(
        overlap(zip(shorter, order, strict=True)) for order in itertools.permutations(longer, len(shorter))
    )
    assert sum(matched.overlaps) == pytest.approx(best)
    assert len(matched.overlaps) == len(planted)


def test_a_part_of_a_gap_is_not_false_and_a_mixture_is():
    gap = frozenset("abcd")
    assert match_groups([frozenset("ab")], [gap]).found == (True,)
    part = match_groups([frozenset("a")], [gap])
    assert (part.found, part.false) == ((False,), 0)
    mixed = match_groups([frozenset("axyz")], [gap])
    assert (mixed.found, mixed.false) == ((False,), 1)
    assert match_groups([frozenset("xy")], []).false == 1
    assert match_groups([], [gap]).overlaps == (0.0,)
