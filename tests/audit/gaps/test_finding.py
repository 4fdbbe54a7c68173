"""Gaps of a made-up library: a kind of crop that only production shows, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from planted import ShapesNet, audited
from synthetic_library import make_samples, make_windows, noise_crop, stripes_crop

from foveal_audit.gaps.finding import Gap, _spread, find_gaps
from foveal_audit.gaps.stating import state_gap
from foveal_audit.windows import Evidence

TRAINING, PRODUCTION = 160, 120


def scene(seed, strange, rare=0):
    """Noise everywhere; the first ``strange`` production samples, all of scanner Q, show stripes."""
    rng = np.random.default_rng(seed)
    number = TRAINING + PRODUCTION
    show = np.zeros(number, bool)
    show[:rare] = True
    show[TRAINING : TRAINING + strange] = True
    crops = [stripes_crop(rng, True, 12) if one else noise_crop(rng, 12) for one in show]
    scanner = np.where(
        show & (np.arange(number) >= TRAINING), "Q", np.where(rng.uniform(size=number) < 0.5, "R", "S")
    )
    sources = ["training"] * TRAINING + ["production"] * PRODUCTION
    samples = make_samples(sources, shape=(24, 24, 1), scanner=scanner, request=np.arange(number))
    return make_windows(crops), samples


@pytest.fixture(scope="module")
def model():
    return audited(ShapesNet())


def test_a_planted_group_is_found_with_its_explanation(model):
    windows, samples = scene(0, strange=36)
    found = find_gaps(windows, samples, model, seed=0)
    (gap,) = found.found
    planted = set(range(TRAINING, TRAINING + 36))
    assert len(planted & set(gap.members.tolist())) >= 33
    assert len(set(gap.members.tolist()) - planted) <= 4
    assert gap.kind == "uncovered_group"
    assert gap.trained <= 2
    assert gap.share == pytest.approx(len(gap.members) / PRODUCTION)
    assert gap.explained_by == {"scanner": "Q"}
    assert set(windows.owner[gap.windows].tolist()) == set(gap.members.tolist())
    assert samples.of("training")[windows.owner[gap.nearest]].all()
    assert len(found.p_values) == PRODUCTION
    assert np.median(found.p_values[:36]) < np.median(found.p_values[36:])


@pytest.mark.parametrize("seed", range(5))
def test_production_like_training_has_no_gap(model, seed):
    found = find_gaps(*scene(seed, strange=0), model, seed)
    assert found.found == []
    assert (found.p_values <= 0.05).mean() <= 0.12


def test_a_group_that_training_shows_as_often_is_no_gap(model):
    assert find_gaps(*scene(1, strange=36, rare=48), model, 0).found == []


def test_same_seed_same_gaps_and_ids(model):
    windows, samples = scene(0, strange=36)
    evidence = Evidence(samples, windows, {}, {})
    ids = [
        [state_gap(gap, evidence, model.sha256).id for gap in find_gaps(windows, samples, model, 0).found]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


def test_validation_samples_are_left_aside(model):
    """Positions stay those of the library, though some of its windows are not used."""
    windows, samples = scene(0, strange=36)
    samples.sources[:10] = "validation"
    (gap,) = find_gaps(windows, samples, model, seed=0).found
    assert set(windows.owner[gap.windows].tolist()) == set(gap.members.tolist())
    assert samples.of("training")[windows.owner[gap.nearest]].all()


def test_a_gap_as_a_finding(model):
    windows, samples = scene(0, strange=36)
    evidence = Evidence(samples, windows, {}, {})
    (gap,) = find_gaps(windows, samples, model, 0).found
    stated = state_gap(gap, evidence, model.sha256, ("round",))
    assert (stated.gap, stated.action, stated.verdict) == ("uncovered_group", "acquire", "suspected")
    count = len(gap.members)
    assert (
        stated.statement
        == f"{count} production samples ({count / PRODUCTION:.0%}) show what training does not hold."
    )
    assert stated.samples == [f"s{member:04}" for member in gap.members]
    assert set(stated.nearest_training) <= set(samples.names[:TRAINING].tolist())
    assert stated.reasons[0].startswith("A classifier that never saw them sets them apart from training, by ")
    assert stated.reasons[0].endswith(f"is found with probability {gap.p:.2g}.")
    assert stated.reasons[1] == f"The model answers them with 'round' ({count})."
    other = state_gap(gap, evidence, "e" * 64)
    assert other.id != stated.id


def test_the_first_windows_show_as_many_samples_as_there_are():
    rows, owner = np.array([5, 3, 4, 0, 1, 2]), np.array([7, 7, 8, 8, 9, 9])
    assert _spread(rows, owner).tolist() == [5, 3, 0, 4, 1, 2]
    assert _spread(rows[:0], owner).tolist() == []


def test_a_group_names_its_classes_and_what_of_training_looks_alike():
    samples = make_samples(["training"] * 3 + ["production"] * 40)
    samples.predicted[3:] = [0] * 3 + [1] * 30 + [2, 3, 4, 5, 6, 6, 6]
    members = np.arange(3, 43)
    nothing, windows = np.zeros(0, np.int64), make_windows([noise_crop(np.random.default_rng(0))])
    seen = Gap(members, nothing, nothing, "intensity", "under_represented", 1.0, 1, 0.02, {})
    told = state_gap(seen, Evidence(samples, windows, {}, {}), "f" * 64, ("a", "b")).reasons
    assert told[:2] == [
        (
            "A classifier that never saw them sets them apart from training, by the description 'intensity': "
            "1 training sample looks like them. Among held-out training samples a group that stands out so "
            "clearly is found with probability 0.02."
        ),
        (
            "The model answers them with 'b' (30), 'a' (3), class 6 (3), class 2 (1), class 3 (1) and 2 more "
            "classes."
        ),
    ]
