"""One answer held against the truth."""

import pytest

from foveal_audit.benchmarking.scoring import as_record, misses, score_answer

CORNER, MIDDLE, EMPTY = (0, 44, 20, 64), (22, 22, 42, 42), (44, 0, 64, 20)


@pytest.fixture
def found(facet):
    """A marker's facet, an object's and one of nothing."""

    def make(marker=("confirmed", 0.9), thing=("genuine", 0.2), **effects):
        return [
            facet(CORNER, lambda one: "mark 0" in one.encoded, marker[1], marker[0], **effects),
            facet(MIDDLE, lambda one: one.outcome == 2, thing[1], thing[0], "c"),
            facet(EMPTY, lambda one: one.outcome == 0, 0.0, "not_relied_on", "a"),
        ]

    return make


def test_a_right_answer_misses_nothing_but_the_gap(answer, found, make_truth):
    score = score_answer(answer(found(), {"s/100.png": 0.1}), make_truth(), "case", "A")
    assert score.ranking == ([0.9], [0.2])
    assert score.precision_at_k == 1
    assert score.false_flags == []
    assert misses(score) == ["gap removed not found (best overlap 0.00)"]
    assert [one["shows"] for one in as_record(score)["facets"]] == ["artefact", "genuine", "other"]


def test_an_artefact_that_is_not_flagged_is_told_with_its_verdict(answer, found, make_truth):
    score = score_answer(answer(found(marker=("undecidable", 0.1))), make_truth(), "case", "A")
    assert misses(score) == ["relied marker not flagged: contribution:0 undecidable 0.10"]
    assert score.precision_at_k == 0


def test_an_artefact_without_a_facet_ranks_last(answer, found, make_truth):
    score = score_answer(answer(found()[1:]), make_truth(), "case", "A")
    assert score.ranking == ([0.0], [0.2])
    assert score.precision_at_k == 0
    assert misses(score) == ["relied marker has no facet"]


def test_a_mixed_facet_finds_the_artefact_but_is_not_ranked_beside_a_pure_one(answer, facet, make_truth):
    truth = make_truth(("mark 1", "object"), gaps=())

    def tinted(one):
        return "mark 1" in one.encoded

    mixed = facet(MIDDLE, tinted, 0.7, "suspected")
    alone = score_answer(answer([mixed]), truth, "case", "A")
    assert (alone.ranking, alone.missed, alone.unflagged, alone.false_flags) == (([0.7], []), (), (), [])
    both = score_answer(answer([mixed, facet(EMPTY, tinted, 0.2)]), truth, "case", "A")
    assert (both.ranking, both.facet_ranking) == (([0.7], []), ([0.2], []))
    assert both.chances == [(0.2, 1.0)]


def test_artefacts_and_genuine_things_rank_by_their_best_facets(answer, facet, make_truth):
    marked = [facet(CORNER, lambda one: "mark 0" in one.encoded, score) for score in (0.1, 0.8)]
    things = [facet(MIDDLE, lambda one: one.outcome == 2, score, outcome="c") for score in (0.9, 0.3, 0.2)]
    nothing = [facet(EMPTY, lambda one: one.outcome == 0, score, outcome="a") for score in (0.7, 0.6)]
    score = score_answer(answer([*marked, *things, *nothing]), make_truth(), "case", "A")
    assert score.ranking == ([0.8], [0.9])
    assert score.facet_ranking == ([0.1, 0.8], [0.9, 0.3, 0.2])
    assert (score.precision_at_k, score.facet_precision_at_k) == (0, 0.5)
    without = score_answer(answer([*marked, *nothing]), make_truth(), "case", "A")
    assert (without.precision_at_k, without.facet_precision_at_k) == (1, 0.5)


def test_flags_on_a_clean_model_are_false_whatever_they_show(answer, found, make_truth):
    score = score_answer(answer(found()), make_truth(("object",)), "case", "A")
    assert score.truth.is_clean
    assert misses(score) == ["flagged contribution:0, which shows inert marker"]
    genuine = score_answer(answer(found(thing=("suspected", 0.7))), make_truth(), "case", "A")
    assert misses(genuine) == ["flagged contribution:0, which shows genuine object"]


def test_signs_count_where_effects_are_sure_and_large(answer, found, make_truth):
    def signs(relied=("mark 0", "object"), outcome="b", *effects):
        made = found(effects=effects, outcome=outcome)[:1]
        return score_answer(answer(made), make_truth(relied), "case", "A").signs

    assert signs(("mark 0",), "b", (0.3, 0.1, 0.5), (-0.2, -0.3, -0.1)) == [True, False]
    assert signs(("mark 0",), "b", (0.3, -0.1, 0.5)) == []  # may be nothing
    assert signs(("mark 0",), "a", (-0.3, -0.5, -0.1)) == [True]
    assert signs(("mark 0",), "b", (-0.005, -0.006, -0.004)) == []  # next to nothing
    assert signs((), "b", (0.3, 0.1, 0.5)) == []


def test_mirrored_pairs_are_undecidable_without_sites(answer, found, make_truth):
    def chances(tier):
        return score_answer(answer(found()), make_truth(control="mirrored"), "case", tier).chances

    assert chances("A") == chances("B") == [(0.9, 0.5), (0.2, 0.0)]
    assert chances("C") == [(0.9, 1.0), (0.2, 0.0)]


def test_gaps_are_scored_by_groups_and_by_coverage(answer, make_truth):
    members = [f"s/{n}.png" for n in range(96, 120)]
    rest = [f"s/{n}.png" for n in range(60, 96)]
    coverage = dict.fromkeys(members, 0.01) | dict.fromkeys(rest, 0.5)
    score = score_answer(
        answer([], coverage, [frozenset(members[:20])]), make_truth((), gaps=("removed",)), "c", "A"
    )
    assert (score.groups.found, score.groups.false) == ((True,), 0)
    assert (score.first, score.separation) == (1.0, 1.0)
    false = score_answer(answer([], coverage, [frozenset(rest)]), make_truth(()), "c", "A")
    assert misses(false) == ["gap removed not found (best overlap 0.00)", "1 gap groups where there is none"]
    without = score_answer(answer([]), make_truth(()), "c", "A")
    assert (without.groups, without.first) == (None, None)
