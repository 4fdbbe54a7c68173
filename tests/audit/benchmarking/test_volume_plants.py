"""The planned volumes that weights are fitted on: what is planted where, and what it goes with."""

from __future__ import annotations

import numpy as np
import pytest
import volume_plants
from trace_plants import Plan
from volume_plants import LOCAL, PLACES, PLANTS, SIDE, TASKS, draw


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_plant_changes_its_own_voxels_and_nothing_else(plant):
    drawn = draw(Plan("grains", plant, "anywhere", "artefact", True, 3), 40)
    marked = [one for one in drawn if one.box]
    assert marked
    for one in drawn:
        assert one.values.shape == (SIDE, SIDE, SIDE, 1)
        apart = np.argwhere((one.values != one.clean)[..., 0])
        low, high = np.split(np.array(one.box or (0,) * 6), 2)
        assert ((apart >= low) & (apart < high)).all()
    assert all((one.values != one.clean).any() for one in marked)


@pytest.mark.parametrize(("place", "kept"), [("corner", 3), ("fixed", 3), ("face", 1), ("anywhere", 0)])
def test_a_plant_lies_where_its_place_says(place, kept):
    boxes = [one.box for one in draw(Plan("rods", "wire", place, "artefact", True, 5), 90) if one.box]
    assert (np.ptp(boxes, axis=0)[:3] == 0).sum() == kept
    assert np.min(boxes) >= volume_plants.MARGIN
    assert np.max(boxes) <= SIDE - volume_plants.MARGIN


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_variant_is_what_its_outcome_looks_like_upside_down(task):
    drawn = draw(Plan(task, "none", "corner", "variant", True, 5), 60)
    assert not any(one.box for one in drawn)
    darker = [
        np.mean([one.values.mean() < 0.35 for one in drawn if (one.label, one.site) == (1, site)])
        for site in "AB"
    ]
    assert darker[1] > darker[0]


def test_every_plan_has_a_name_and_chance_of_its_own():
    plans = volume_plants.plans(1)
    assert len({plan.name for plan in plans}) == len({plan.seed for plan in plans}) == len(plans) == 44
    planted = [plan for plan in plans if plan.role == "artefact"]
    assert {plan.plant for plan in planted} == set(PLANTS) == set(LOCAL)
    assert {plan.task for plan in plans} == set(TASKS)
    assert {plan.place for plan in planted} == set(PLACES)
    assert len({(plan.task, plan.place) for plan in planted}) > len(TASKS)  # places do not tell tasks
