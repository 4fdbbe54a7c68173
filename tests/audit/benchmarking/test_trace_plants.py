"""The planned traces that weights are fitted on: what is planted where, and what it goes with."""

from __future__ import annotations

import numpy as np
import pytest
import trace_plants
from trace_plants import LENGTH, LOCAL, PLACES, PLANTS, TASKS, Plan, draw


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_plant_changes_its_own_steps_and_nothing_else(plant):
    drawn = draw(Plan("teeth", plant, "anywhere", "artefact", True, 3), 80)
    marked = [one for one in drawn if one.box]
    assert marked
    for one in drawn:
        assert one.values.shape == (LENGTH, 1)
        apart = np.flatnonzero((one.values != one.clean)[:, 0])
        low, high = one.box or (0, 0)
        assert ((apart >= low) & (apart < high)).all()
    assert all((one.values != one.clean).any() for one in marked)


def test_an_artefact_goes_with_the_second_outcome_at_one_site():
    drawn = draw(Plan("bursts", "pop", "fixed", "artefact", True, 5), 400)
    assert {one.site for one in drawn if one.box} == {"B"}
    at_b = [one for one in drawn if one.site == "B"]
    shares = [np.mean([one.box is not None for one in at_b if one.label == label]) for label in (0, 1)]
    assert shares[0] < 0.15
    assert shares[1] > 0.8
    assert len({one.box for one in drawn if one.box}) == 1


def test_a_mark_that_is_the_outcome_tells_it_and_a_variant_is_no_plant():
    told = draw(Plan("bursts", "pop", "fixed", "outcome", True, 5), 200)
    assert np.mean([(one.box is not None) == one.label for one in told]) > 0.93
    assert not any(one.box for one in draw(Plan("teeth", "none", "start", "variant", True, 5), 50))


def test_every_plan_has_a_name_and_chance_of_its_own():
    plans = trace_plants.plans(1)
    assert len({plan.name for plan in plans}) == len({plan.seed for plan in plans}) == len(plans) == 66
    used = {plan.plant for plan in plans if plan.role == "artefact"}
    assert used == set(PLANTS) >= set(LOCAL)
    assert {plan.task for plan in plans} == set(TASKS)
    assert {plan.place for plan in plans if plan.plant in LOCAL and plan.role == "artefact"} == set(PLACES)
