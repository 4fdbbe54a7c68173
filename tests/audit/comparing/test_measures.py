"""Measures of a map against a mask: by hand, perfect and worthless maps, invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import roc_auc_score

from foveal_audit.comparing.baselines import BASELINES, centre_map, random_map
from foveal_audit.comparing.measures import (
    LOCALISATION,
    Truth,
    pointing,
    relevance_mass,
    roc_auc,
    sensitivity,
    specificity,
)

MASK = np.array([[True, True, False, False], [False, False, False, False]])
#: The two largest values are one inside the mask and one outside.
MAP = np.array([[4.0, 1.0, 3.0, -2.0], [0.0, -1.0, 2.0, 0.5]])
TRUTH = Truth.of(MASK, 0)


def test_by_hand():
    assert sensitivity(MAP, TRUTH) == 0.5
    assert specificity(MAP, TRUTH) == 5 / 6
    assert roc_auc(MAP, TRUTH) == (6 + 4) / 12  # 4 beats all six outside, 1 beats four of them
    assert pointing(MAP, TRUTH) == 1
    assert relevance_mass(MAP, TRUTH) == 5 / 10.5


@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 2)])
@pytest.mark.parametrize("measure", LOCALISATION.values(), ids=LOCALISATION)
def test_a_perfect_map_scores_one(measure, shape):
    mask = np.zeros(shape, bool)
    mask[(1,) * len(shape)] = mask[(0,) * len(shape)] = True
    assert measure(mask.astype(np.float32), Truth.of(mask, 0)) == 1.0


@pytest.mark.parametrize("measure", LOCALISATION.values(), ids=LOCALISATION)
def test_the_opposite_of_the_truth_scores_no_better_than_chance(measure):
    chance = {sensitivity: 0.25, specificity: 0.75, roc_auc: 0.5, pointing: 0.25, relevance_mass: 0.25}
    assert measure((~MASK).astype(np.float32), TRUTH) < chance[measure]


def test_a_flat_map_scores_what_chance_scores():
    flat = np.full(MASK.shape, 0.3)
    assert sensitivity(flat, TRUTH) == 0.25
    assert specificity(flat, TRUTH) == 0.75
    assert roc_auc(flat, TRUTH) == 0.5
    assert pointing(flat, TRUTH) == 0.25
    assert relevance_mass(flat, TRUTH) == pytest.approx(0.25)


def test_a_map_without_positive_values_puts_none_on_the_truth():
    assert relevance_mass(-np.ones(MASK.shape), TRUTH) == 0


@pytest.mark.parametrize(("tolerance", "hit"), [(0, 0), (1, 0), (1.5, 1), (2, 1)])
def test_pointing_counts_a_near_miss_within_the_tolerance(tolerance, hit):
    map_ = np.zeros((2, 4))
    map_[1, 2] = 1  # one down and one right of the mask: 1.41 away
    assert pointing(map_, Truth.of(MASK, tolerance)) == hit


@pytest.mark.parametrize("measure", [sensitivity, specificity, roc_auc, relevance_mass])
def test_only_pointing_is_tolerant(measure):
    assert measure(MAP, Truth.of(MASK, 3)) == measure(MAP, TRUTH)


@st.composite
def cases(draw):
    shape = draw(array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=6))
    mask = draw(arrays(bool, shape).filter(lambda mask: mask.any() and not mask.all()))
    values = draw(arrays(np.float32, shape, elements=st.sampled_from([-1.5, -0.5, 0, 0.25, 1, 2])))
    return values, mask


@settings(max_examples=60, deadline=None)
@given(cases())
def test_scale_and_ties(case):
    map_, mask = case
    truth = Truth.of(mask, 1)
    for measure in LOCALISATION.values():
        assert 0 <= measure(map_, truth) <= 1
        assert measure(4 * map_, truth) == pytest.approx(measure(map_, truth))
    assert roc_auc(map_, truth) == pytest.approx(roc_auc_score(mask.ravel(), map_.ravel()))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_equal_values_give_the_mean_over_their_orders(case):
    map_, mask = case
    truth = Truth.of(mask, 0)
    rng = np.random.default_rng(0)
    broken = [map_ + 1e-3 * rng.random(map_.shape, dtype=np.float32) for _ in range(400)]
    assert np.mean([sensitivity(one, truth) for one in broken]) == pytest.approx(
        sensitivity(map_, truth), abs=0.12
    )
    assert np.mean([pointing(one, truth) for one in broken]) == pytest.approx(pointing(map_, truth), abs=0.12)


@pytest.mark.parametrize("shape", [(9,), (5, 70), (3, 50, 1)])
def test_baselines_have_as_many_axes_as_asked_for(shape):
    assert {name: make(shape, 0).shape for name, make in BASELINES.items()} == {
        "random map": tuple(min(8, side) for side in shape),
        "centre": shape,
    }


def test_baselines_by_value():
    assert centre_map((3, 3), 0).ravel() == pytest.approx(
        [0, 1 - 0.5**0.5, 0, 1 - 0.5**0.5, 1, 1 - 0.5**0.5, 0, 1 - 0.5**0.5, 0], abs=1e-6
    )
    assert (random_map((4, 4), 1) == random_map((4, 4), 1)).all()
    assert (random_map((4, 4), 1) != random_map((4, 4), 2)).any()
