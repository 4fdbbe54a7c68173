"""Studies: the same from the same seed, with what was planted and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.studies import marks
from foveal_audit.studies.marks import DECOY_BOX, MARKER_BOX, burn_in
from foveal_audit.studies.nodules import (
    OUTCOMES,
    PLANS,
    SMOOTH,
    SPICULATED,
    Plan,
    _outcome_odds,
    make_nodule,
    make_study,
)
from foveal_audit.studies.tissue import tissue


def test_same_seed_same_images():
    first, second = (make_study(3, 12, Plan(), production=True) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert (a.outcome, a.site, a.calcified, a.centre) == (b.outcome, b.site, b.calcified, b.centre)


@pytest.mark.parametrize("other", [{"seed": 4}, {"production": True}])
def test_other_seeds_and_sources_are_other_images(other):
    ours = make_study(3, 4, Plan())
    theirs = make_study(**{"seed": 3, "number": 4, "plan": Plan(), **other})
    assert not any(np.array_equal(a.pixels, b.pixels) for a, b in zip(ours, theirs, strict=True))


def test_more_images_begin_with_the_fewer():
    few, many = make_study(1, 3, Plan()), make_study(1, 6, Plan())
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(few, many, strict=False))


@pytest.mark.parametrize("outcome", range(len(OUTCOMES)))
def test_an_image_is_what_it_says(outcome):
    made = make_nodule(np.random.default_rng(outcome), outcome, "A")
    assert (made.pixels.shape, made.pixels.dtype) == ((96, 96, 1), np.uint8)
    assert (made.centre is None) == (OUTCOMES[outcome] == "none")
    if made.centre is not None:
        y, x = (round(place) for place in made.centre)
        assert made.pixels[y - 4 : y + 5, x - 4 : x + 5].mean() > made.pixels.mean() + 10


def test_the_null_marker_tells_nothing():
    odds = _outcome_odds("B", PLANS["null"])
    np.testing.assert_allclose(odds, 1 / len(OUTCOMES))


def test_the_standard_marker_goes_with_its_class():
    odds = _outcome_odds("B", PLANS["standard"])
    assert odds[SPICULATED] == pytest.approx(0.85)
    assert odds.sum() == pytest.approx(1)


def test_planted_shares_are_drawn(monkeypatch):
    """The pictures themselves are not needed to count."""
    monkeypatch.setattr(
        "foveal_audit.studies.nodules.make_nodule",
        lambda rng, outcome, site, calcified: (outcome, site, calcified),
    )
    made = make_study(0, 6000, PLANS["standard"], production=True)
    assert np.mean([calcified for *_, calcified in made]) == pytest.approx(0.12, abs=0.02)
    assert {outcome for outcome, _, calcified in made if calcified} == {SMOOTH}
    at_b = [outcome for outcome, site, calcified in made if site == "B" and not calcified]
    assert np.mean(np.array(at_b) == SPICULATED) == pytest.approx(0.85, abs=0.03)
    assert not any(calcified for *_, calcified in make_study(0, 3000, PLANS["standard"]))


@pytest.mark.parametrize(("site", "box"), [("A", None), ("B", MARKER_BOX), ("C", DECOY_BOX)])
def test_marks_lie_within_their_boxes_and_nowhere_else(site, box):
    for seed in range(5):
        image = np.zeros((96, 96), np.float32)
        marked = burn_in(image, site, np.random.default_rng(seed))
        rows, columns = np.nonzero(marked)
        assert not image.any()
        if box is None:
            assert not rows.size
            continue
        y0, x0, y1, x1 = box
        assert rows.size > 50
        assert (y0 <= rows.min(), rows.max() < y1, x0 <= columns.min(), columns.max() < x1) == (True,) * 4
        assert set(np.unique(marked)) == {0, marked.max()}
        assert 0.8 <= marked.max() <= 1


def test_every_site_takes_the_same_chance():
    """What follows the mark in an image does not depend on the mark."""
    after = [np.random.default_rng(0) for _ in "ABC"]
    for site, rng in zip("ABC", after, strict=True):
        marks.burn_in(np.zeros((96, 96), np.float32), site, rng)
    assert len({rng.random() for rng in after}) == 1


def test_tissue_is_a_texture_of_the_asked_size():
    field = tissue(np.random.default_rng(0), 40)
    assert (field.shape, field.dtype) == ((40, 40), np.float32)
    assert -0.1 < field.min() < field.max() < 2
    assert field.std() > 0.05
    np.testing.assert_array_equal(field, tissue(np.random.default_rng(0), 40))


@pytest.mark.parametrize("outcome", range(len(OUTCOMES)))
def test_the_mask_is_where_the_nodule_is(outcome):
    made = make_nodule(np.random.default_rng(outcome), outcome, "A")
    assert (made.mask is None) == (made.centre is None)
    if made.mask is not None:
        y, x = np.mgrid[:96, :96] - np.array(made.centre)[:, None, None]
        assert 60 < made.mask.sum() < 700
        assert np.hypot(y, x)[made.mask].max() < 20
        assert made.pixels[made.mask].mean() > made.pixels[~made.mask].mean() + 10
