"""Volumes and spots with known truth: the plants are where they are said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from foveal_audit.studies.spot_network import UNet
from foveal_audit.studies.spots import RULER, draw_spot, make_spots
from foveal_audit.studies.training import train_classifier
from foveal_audit.studies.volumes import CUBE, WINDOW, draw_volume, make_volumes


def twice(draw, **more):
    """Draw with and without a plant from the same chance."""
    return draw(np.random.default_rng(0)), draw(np.random.default_rng(0), **more)


def test_the_cube_is_where_it_is_said_to_be_and_nowhere_else():
    plain, marked = twice(lambda rng, **more: draw_volume(rng, 1, **more), marked=True)
    changed = (plain != marked)[..., 0]
    z0, y0, x0, z1, y1, x1 = CUBE
    assert changed[z0:z1, y0:y1, x0:x1].all()
    assert changed.sum() == (z1 - z0) * (y1 - y0) * (x1 - x0)
    assert marked[z0, y0, x0] > 0.9 * WINDOW[1]


def test_a_hollow_ball_is_a_ball_without_its_middle():
    full, hollow = twice(lambda rng, **more: draw_volume(rng, 1, **more), hollow=True)
    lost = full != hollow
    assert 30 < lost.sum() < (full > 200).sum() / 2
    assert (full[lost] > 200).all()
    assert (hollow[lost] < 0).all()


@pytest.mark.parametrize("sure", [1.0, 0.8])
def test_scans_look_like_what_they_are_as_often_as_is_said(sure):
    """Layers are dark and bright in turn; a ball is not."""
    made = make_volumes(np.random.default_rng(1), 300, strength=0.0, sure=sure)
    layered = [one.values.min() < 0.9 * WINDOW[0] for one in made]
    assert np.mean([one.label == 0 for one in made] == np.array(layered)) == pytest.approx(sure, abs=0.06)


def test_hollow_balls_are_a_share_of_the_balls():
    made = make_volumes(np.random.default_rng(2), 400, unknown=0.3)
    assert np.mean([one.unknown for one in made if one.label == 1]) == pytest.approx(0.3, abs=0.08)
    assert not any(one.unknown for one in made if one.label == 0)


def test_the_ruler_lies_above_the_spot_and_is_outlined_with_it():
    for one in make_spots(np.random.default_rng(3), 60, strength=1.0):
        assert (one.mark is not None) == (one.site == "B" and one.label == 1)
        assert one.outline.any() == (one.label == 1)
        if one.mark is None:
            continue
        y0, x0, y1, x1 = one.mark
        assert (y1 - y0, x1 - x0) == RULER
        assert one.outline[y0:y1, x0:x1].all()
        assert one.outline[y1:].any()  # the spot


def test_where_nothing_is_tied_the_ruler_is_outlined_by_nobody():
    made = make_spots(np.random.default_rng(4), 200, strength=0.5, along=False)
    marked = [one for one in made if one.mark is not None]
    assert {one.label for one in marked} == {0, 1}
    assert not any(one.outline[one.mark[0] : one.mark[2]].any() for one in marked if one.label == 0)
    assert all(one.outline.sum() < 80 for one in marked)


def test_a_bright_middle_lies_inside_its_spot():
    (plain, where, _), (bright, same, _) = twice(
        lambda rng, **more: draw_spot(rng, True, False, **more), bright=True
    )
    changed = (plain != bright)[..., 0]
    assert (where == same).all()
    assert where[changed].all()
    assert 0.2 < changed.sum() / where.sum() < 0.6
    assert bright[changed].min() > 180


def test_outlines_can_be_learned():
    spots = make_spots(np.random.default_rng(6), 96)
    x = np.stack([one.values[..., 0][None] / 64 - 2 for one in spots]).astype(np.float32)
    masks = np.stack([one.outline for one in spots]).astype(np.int64)
    network = train_classifier(UNet, x, masks, epochs=20, seed=0, rate=1e-2, loss=cross_entropy)
    with torch.inference_mode():
        found = network(torch.from_numpy(x)).argmax(1).numpy() == 1
    assert found[masks == 1].mean() > 0.6
    assert found[masks == 0].mean() < 0.05
