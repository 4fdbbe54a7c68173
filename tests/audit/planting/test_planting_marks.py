"""Marks: of every kind, at every place, and nothing outside of them changes."""

import numpy as np
import pytest

from foveal_audit.planting.canvas import SIZE
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.marks.changes import CHANGES
from foveal_audit.planting.marks.glyphs import CHARACTERS, write
from foveal_audit.planting.marks.kinds import KINDS, PLACED, Look
from foveal_audit.planting.marks.placing import PLACINGS
from foveal_audit.planting.tasks import TASKS


def scene(index=0, task="parts"):
    made = TASKS[task].paint(Chance(0, "x", index), TASKS[task].subtypes[1].factors, "free")
    return np.clip(made.pixels, 0, 1), made.centre


@pytest.mark.parametrize("task", ["parts", "nodules"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_changes_its_mask_alone(kind, task):
    image, centre = scene(task=task)
    before = image.copy()
    marked, mask = Look(kind).put(Chance(0, "x", 0).of("mark"), image, centre)
    assert np.array_equal(image, before)
    assert marked.shape == image.shape
    change = np.abs(marked - image).max(axis=2)
    assert change[~mask].max(initial=0) <= 0.1
    assert change[mask].max() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_chance_gives_the_same_mark(kind):
    image, centre = scene()
    first, again = (Look(kind).put(Chance(0, "x", 4).of("mark"), image, centre)[0] for _ in range(2))
    assert np.array_equal(first, again)


def boxes(kind, placing, number=24):
    found = []
    for index in range(number):
        image, centre = scene(index)
        mask = Look(kind, placing).put(Chance(0, "x", index).of("mark"), image, centre)[1]
        rows, columns = np.nonzero(mask)
        found.append((rows.mean(), columns.mean(), *centre))
    return np.array(found)


@pytest.mark.parametrize("kind", PLACED)
def test_marks_go_where_they_are_placed(kind):
    assert boxes(kind, "fixed", 6).std(axis=0)[:2].max() < 2  # letters differ
    jitter = boxes(kind, "jitter").std(axis=0)[:2]
    assert 0.5 < jitter.max() < 5
    corners = boxes(kind, "corner", 48)[:, :2] > SIZE / 2
    assert len(np.unique(corners, axis=0)) == 4
    assert boxes(kind, "random")[:, 0].std() > 8
    on = boxes(kind, "object")
    inside = (np.abs(on[:, 2:] - SIZE / 2) < 16).all(axis=1)  # a long mark beside the border is moved in
    assert np.abs(on[inside, :2] - on[inside, 2:]).max() < 7


@pytest.mark.parametrize("kind", PLACED)
def test_area_and_opacity_are_kept(kind):
    image, centre = scene()

    def put(**look):
        return Look(kind, **look).put(Chance(0, "x", 0).of("mark"), image, centre)

    boxed = [np.ptp(np.nonzero(put(area=area)[1]), axis=1).prod() for area in (0.03, 0.15)]
    assert boxed[1] > 2 * boxed[0]
    faint, full = (np.abs(put(opacity=opacity)[0] - image).sum() for opacity in (0.3, 1.0))
    assert faint == pytest.approx(0.3 * full, rel=0.01)


def test_weaker_changes_change_less():
    image, centre = scene()
    for kind in CHANGES:
        weak, strong = (
            np.abs(Look(kind, opacity=o).put(Chance(0, "x", 0).of("mark"), image, centre)[0] - image).mean()
            for o in (0.1, 1.0)
        )
        assert weak < strong / 2


def test_placings_stay_in_the_picture():
    rng = np.random.default_rng(0)
    for placing in PLACINGS:
        for size in ((5, 5), (40, 60), (64, 64)):
            image, centre = scene(int(rng.integers(50)))
            marked, _ = Look("ruler", placing, area=size[0] * size[1] / SIZE**2).put(rng, image, centre)
            assert marked.shape == (SIZE, SIZE, 3)


def test_glyphs_differ_and_scale():
    drawn = {character: write(character).tobytes() for character in CHARACTERS}
    assert len(set(drawn.values())) == len(CHARACTERS)
    assert write("A1").shape == (5, 7)
    assert np.array_equal(write("R", 2)[::2, ::2], write("R"))


def test_a_fixed_mark_is_where_it_is_asked_to_be():
    for at in ((0.0, 0.0), (1.0, 0.5), (0.5, 1.0)):
        image, centre = scene()
        mask = Look("marker", at=at).put(Chance(0, "x", 0).of("mark"), image, centre)[1]
        rows, columns = np.nonzero(mask)
        assert (rows.mean() / SIZE, columns.mean() / SIZE) == pytest.approx(at, abs=0.17)
        assert (rows.mean() > SIZE / 2, columns.mean() > SIZE / 2) == (at[0] > 0.5, at[1] > 0.5)
