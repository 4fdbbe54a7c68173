"""Made-up tasks: the same every time, and a factor changes its own pixels alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal_audit.planting.canvas import SEEN, SIZE
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.scene import TONED
from foveal_audit.planting.tasks import TASKS

GOLDEN = Path(__file__).with_name("golden")


def subtypes():
    return [
        pytest.param(task, kind, id=f"{task.name}-{kind.name}")
        for task in TASKS.values()
        for kind in task.subtypes
    ]


@pytest.mark.parametrize(("task", "kind"), subtypes())
def test_a_scene_is_a_function_of_its_arguments(task, kind):
    first, again, other = (task.paint(Chance(3, "training", i), kind.factors, "free") for i in (5, 5, 6))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    assert first.pixels.shape == (SIZE, SIZE, 3 if task.colour else 1)
    assert first.pixels.dtype == np.float32
    assert set(kind.factors) <= set(first.masks)


@pytest.mark.parametrize(("task", "kind"), subtypes())
def test_a_core_factor_changes_its_own_pixels_alone(task, kind):
    for factor in kind.factors & set(task.core):
        for index in range(4):
            on, off = (
                np.clip(task.paint(Chance(1, "training", index), factors, "free").pixels, 0, 1)
                for factors in (kind.factors, kind.factors - {factor})
            )
            mask = task.paint(Chance(1, "training", index), kind.factors, "free").masks[factor]
            change = np.abs(on - off).max(axis=2)
            assert change[~mask].max() <= SEEN
            if "hollow" not in kind.factors:
                assert change[mask].max() > 0.02


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_what_a_case_may_ask_for(task):
    assert len(task.outcomes) == 3
    assert [len(task.of_role("usual", outcome)) for outcome in range(3)] == [1, 1, 1]
    assert len(task.of_role("rare")) == len(task.of_role("strange")) == 1
    assert set(task.core) <= set().union(*(kind.factors for kind in task.of_role("usual")))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_layouts_place_the_object(task):
    factors = task.of_role("usual", 2)[0].factors

    def centres(layout):
        return np.array([task.paint(Chance(0, "x", i), factors, layout).centre for i in range(12)])

    assert centres("free").std(axis=0).min() > 4
    assert centres("locked").std(axis=0).max() < 2.5
    near = np.minimum(centres("border"), SIZE - 1 - centres("border")).min(axis=1)
    assert (near < 13).all()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_tone_changes_the_background_and_no_object(task):
    factors = task.of_role("usual", 1)[0].factors
    plain, toned = (task.paint(Chance(0, "x", 1), factors | extra, "free") for extra in (set(), {TONED}))
    assert np.abs(plain.pixels - toned.pixels).mean() > 0.05
    assert all(np.array_equal(plain.masks[name], toned.masks[name]) for name in factors)


@pytest.mark.parametrize("name", ["tasks", "kinds"])
def test_pictures_look_as_they_did(name, montages):
    """Small montages; another machine may round differently, a person may not see a difference."""
    golden = np.asarray(Image.open(GOLDEN / f"{name}.png")).astype(int)
    made = montages[name]().astype(int)
    assert made.shape == golden.shape
    assert np.abs(made - golden).mean() < 1.0
    assert (np.abs(made - golden).max(axis=2) > 24).mean() < 0.01
