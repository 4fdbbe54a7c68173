"""What a case's samples show: shares, sites, gaps, decoys, and switches that change one thing alone."""

from dataclasses import replace

import numpy as np
import pytest

from foveal_audit.planting.case import Case, Gap, Mark, Sizes
from foveal_audit.planting.drawing import draw, plan_sample
from foveal_audit.planting.gaps import DECOYS, GAPS
from foveal_audit.planting.marks.kinds import Look
from foveal_audit.planting.scene import TONED

MARKER = Mark(Look("marker"), prevalence=0.6, leak=0.1)
CASE = Case("case", "lesions", "resnet8", 5, marks=(MARKER,), sizes=Sizes(production=400))


def plans(case, source="training", number=600):
    return [plan_sample(case, source, index) for index in range(number)]


def share(truths):
    return float(np.mean(list(truths)))


def test_marks_are_as_frequent_as_asked():
    made = plans(CASE, number=900)
    assert share(one.marks[0] for one in made if one.outcome == 1) == pytest.approx(0.6, abs=0.08)
    assert share(one.marks[0] for one in made if one.outcome != 1) == pytest.approx(0.1, abs=0.05)


def test_a_mark_of_a_site_is_at_that_site_alone():
    case = replace(CASE, marks=(replace(MARKER, association="site~class"),))
    assert all(one.marks[0] == (one.site == "B") for one in plans(case))
    alone = replace(CASE, marks=(replace(MARKER, association="site", prevalence=0.4),))
    made = plans(alone, number=900)
    assert all(one.marks[0] == (one.site == "B") for one in made)
    by_class = [share(one.marks[0] for one in made if one.outcome == k) for k in range(3)]
    assert by_class == pytest.approx([0.4] * 3, abs=0.09)


def test_without_association_sites_say_nothing_about_marks():
    made = plans(replace(CASE, marks=(replace(MARKER, association="none", prevalence=0.5),)), number=900)
    by_site = [share(one.marks[0] for one in made if one.site == site) for site in "ABC"]
    assert by_site == pytest.approx([0.5] * 3, abs=0.1)


def test_switching_a_mark_changes_its_pixels_alone():
    for index in range(6):
        plan = plan_sample(CASE, "training", index)
        on, off = draw(CASE, plan, on=(0,)), draw(CASE, plan, off=(0,))
        mask = on.marks[0]
        assert 0 not in off.marks
        assert np.array_equal(on.pixels[~mask], off.pixels[~mask])
        assert not np.array_equal(on.pixels[mask], off.pixels[mask])
        assert np.array_equal(draw(CASE, plan).pixels, (on if plan.marks[0] else off).pixels)


def test_switching_one_mark_leaves_the_others():
    case = replace(CASE, marks=(MARKER, Mark(Look("text", "corner"), target=2)))
    plan = plan_sample(case, "training", 0)
    both, second = draw(case, plan, on=(0, 1)), draw(case, plan, on=(1,), off=(0,))
    assert np.array_equal(both.marks[1], second.marks[1])


def test_mirrored_cases_have_equal_pixels_and_labels():
    artefact = replace(CASE, marks=(replace(MARKER, association="site~class"),))
    outcome = replace(CASE, marks=(replace(MARKER, role="outcome"),))
    for index in range(8):
        a, b = (plan_sample(case, "training", index) for case in (artefact, outcome))
        assert a.outcome == b.outcome
        assert np.array_equal(draw(artefact, a).pixels, draw(outcome, b).pixels)


def test_a_mark_that_is_the_outcome_replaces_all_else():
    own = replace(MARKER, role="outcome", prevalence=1.0, leak=0.0, replaces=True)
    made = plans(replace(CASE, marks=(own,)))
    assert all(one.marks[0] == (one.outcome == 1) for one in made)
    assert not any("irregular" in one.factors for one in made)


@pytest.mark.parametrize("kind", GAPS)
def test_gaps_are_in_production_and_hardly_in_training(kind):
    case = replace(CASE, gaps=(Gap(kind, 0.1),))
    assert share(one.gap == 0 for one in plans(case, "production", 800)) == pytest.approx(0.1, abs=0.03)
    trained = share(one.gap == 0 for one in plans(case, "training", 800))
    assert trained == (pytest.approx(0.005, abs=0.006) if kind == "under-represented" else 0)
    assert not any(one.gap is not None for one in plans(case, "oracle", 100))


def test_each_gap_shows_what_it_says():
    def first(kind):
        case = replace(CASE, gaps=(Gap(kind, 0.3),))
        return case, next(one for one in plans(case, "production") if one.gap == 0)

    assert first("removed")[1].subtype == "blue veil"
    assert first("style")[1].site == "D"
    assert first("intruders")[1].task != "lesions"
    case, joined = first("conjunction")
    assert {TONED, "network"} <= joined.factors
    trained = plans(case)
    assert any(TONED in one.factors for one in trained)
    assert not any({TONED, "network"} <= one.factors for one in trained)
    case, strange = first("style")
    assert not np.array_equal(draw(case, strange).pixels, draw(case, replace(strange, styled=False)).pixels)


def test_several_gaps_do_not_overlap():
    case = replace(CASE, gaps=(Gap("removed", 0.2), Gap("style", 0.2)))
    found = [one.gap for one in plans(case, "production", 800)]
    assert [share(gap == number for gap in found) for number in (0, 1)] == pytest.approx([0.2, 0.2], abs=0.05)


def test_decoys_change_production_alone():
    for decoy in DECOYS:
        case = replace(CASE, decoys=(decoy,))
        assert plans(case, number=100) == plans(CASE, number=100)
        assert plans(case, "production", 400) != plans(CASE, "production", 400)


def test_each_decoy_does_what_it_says():
    def production(decoy):
        case = replace(CASE, decoys=(decoy,))
        return case, plans(case, "production", 400)

    assert share(one.outcome == 0 for one in production("prior")[1]) == pytest.approx(0.7, abs=0.07)
    case, twice = production("duplicates")
    assert len({draw(case, one).pixels.tobytes() for one in twice}) == 340
    assert share(one.subtype == "halo nevus" for one in production("more-rare")[1] if one.outcome == 0) > 0.2
    case, jittered = production("jitter")
    change = [
        np.abs(draw(case, one).pixels.astype(int) - draw(case, replace(one, jittered=False)).pixels).mean()
        for one in jittered[:20]
    ]
    assert 0 < max(change) < 12
