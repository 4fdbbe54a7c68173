"""How crops of traces and volumes look, against loops and by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from PIL import Image
from synthetic_library import make_samples, make_windows

from foveal_audit.spans import Span
from foveal_audit.units.appearance import (
    SIDES,
    Shifted,
    detail,
    gradients,
    resize_crop,
    shifted_correlation,
    tones,
)
from foveal_audit.units.choosing import library_differences
from foveal_audit.units.resizing import _by_pillow, resized

SHAPES = {1: (64,), 2: (32, 32), 3: (16, 16, 16)}


def crops(axes, number=5, channels=2, seed=0):
    return np.random.default_rng(seed).random((number, channels, *SHAPES[axes])).astype(np.float32)


def naive_line(line, side):
    """Weigh every old place by a triangle as wide as a new place, or as an old one where that is wider."""
    scale = len(line) / side
    found = []
    for place in range(side):
        weights = [
            max(0, 1 - abs(old + 0.5 - (place + 0.5) * scale) / max(scale, 1)) for old in range(len(line))
        ]
        found.append(np.dot(weights, line) / sum(weights))
    return found


@pytest.mark.parametrize(("length", "side"), [(100, 64), (7, 64), (64, 64), (500, 64), (1, 5)])
def test_a_trace_is_resized_as_a_loop_does_it(length, side):
    line = np.random.default_rng(0).normal(size=(length, 1)).astype(np.float32)
    np.testing.assert_allclose(resized(line, (side,))[0], naive_line(line[:, 0], side), atol=1e-5)


def test_a_volume_is_resized_axis_by_axis_and_a_line_as_pillow_does_it():
    cube = np.random.default_rng(1).random((9, 20, 31, 2)).astype(np.float32)
    found = resized(cube, (16, 16, 16))
    assert found.shape == (2, 16, 16, 16)
    planes = [_by_pillow(plane, (16, 16)) for plane in cube]
    loop = np.stack([np.stack(planes)[:, 1, y, x] for y, x in product(range(16), range(16))], axis=1)
    wanted = np.stack([naive_line(line, 16) for line in loop.T], axis=1).reshape(16, 16, 16)
    np.testing.assert_allclose(found[1], wanted, atol=1e-5)
    line = np.asarray(Image.fromarray(cube[:1, :, 0, 0]).resize((16, 1), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resized(cube[0, :, 0, :1], (16,))[0], line[0], atol=1e-5)


def test_very_long_traces_keep_their_level():
    assert resized(np.full((100_003, 1), 3.5, np.float32), (64,)) == pytest.approx(3.5)


@pytest.mark.parametrize("axes", [1, 3])
def test_crops_come_to_the_side_of_their_kind_within_what_they_span(axes):
    values = np.random.default_rng(2).normal(size=(*[40] * axes, 3)).astype(np.float32)
    found = resize_crop(values, span=Span((-3.0,), (3.0,)))
    assert found.shape == (3, *[SIDES[axes]] * axes)
    assert 0 <= found.min() < 0.5 < found.max() <= 1


def naive_correlation(planes, template, starts, middle):
    """Go through pairs and shifts one by one: planes (n, P, *s)."""
    axes = planes.ndim - 2

    def part(crop, place):
        return crop[(slice(None), *(slice(start, start + template) for start in place))].ravel()

    best = np.full((len(planes),) * 2, -1.0)
    for a, b in product(range(len(planes)), repeat=2):
        if a != b:
            own = part(planes[a], (middle,) * axes)
            shifts = product(starts, repeat=axes)
            best[a, b] = max(np.corrcoef(own, part(planes[b], place))[0, 1] for place in shifts)
    return best


def test_traces_are_correlated_over_all_channels_as_a_loop_does_it():
    images = crops(1, channels=3)
    fine = detail(images)
    assert fine.shape == (5, 64 * 3)
    planes = np.moveaxis(fine.reshape(5, 64, 3), 2, 1)
    wanted = naive_correlation(planes, 40, range(0, 25, 2), 12)
    np.testing.assert_allclose(shifted_correlation(fine), wanted, atol=1e-5)
    across = Shifted.of(fine[:2]).correlation(Shifted.of(fine[2:]))
    np.testing.assert_allclose(across, wanted[:2, 2:], atol=1e-5)


def test_volumes_are_correlated_as_a_loop_does_it():
    fine = detail(crops(3, number=3))
    assert fine.shape == (3, 16, 16, 16)
    wanted = naive_correlation(fine[:, None], 10, range(0, 7, 3), 3)
    np.testing.assert_allclose(shifted_correlation(fine), wanted, atol=1e-5)


def test_leads_that_cancel_each_other_are_not_nothing():
    """Against their mean, which is nothing at all, the leads of a trace differ as they do."""
    lead = np.random.default_rng(3).random((4, 1, 64)).astype(np.float32)
    opposed = np.concatenate([lead, 1 - lead], axis=1)
    assert np.abs(detail(opposed)).max() > 0.1
    assert shifted_correlation(detail(opposed[[0, 0]]))[0, 1] == pytest.approx(1, abs=1e-4)
    assert gradients(opposed).std() > 0.05
    assert tones(opposed)[0, -3:].min() > 0.01


@pytest.mark.parametrize(("axes", "width"), [(1, 64), (3, 104)])
def test_slopes_ignore_light_and_tell_shapes_apart(axes, width):
    images = crops(axes) * 0.5
    assert gradients(images).shape == (5, width)
    np.testing.assert_allclose(gradients(images + 0.3), gradients(images), atol=1e-3)
    assert gradients(images[:0]).shape == (0, width)
    assert np.abs(gradients(images[:1]) - gradients(images[1:2])).max() > 0.1


def test_a_rise_is_no_fall_by_hand():
    """A step up in the third cell: all of its slope rises there, fast and slowly, and nothing else does."""
    step = np.zeros((1, 1, 64), np.float32)
    step[..., 20:] = 1
    cells = gradients(step).reshape(8, 4)  # up and down over one step, up and down over four
    assert np.argwhere(cells > 1e-3).tolist() == [[2, 0], [2, 2]]
    assert np.argwhere(gradients(1 - step).reshape(8, 4) > 1e-3).tolist() == [[2, 1], [2, 3]]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_layers_point_along_their_axis_by_hand(axis):
    waves = np.sin(np.arange(16) * 2 * np.pi / 8).reshape([-1 if a == axis else 1 for a in range(3)])
    volume = np.broadcast_to(waves * 0.4 + 0.5, (1, 1, 16, 16, 16)).astype(np.float32)
    kinds = gradients(volume).reshape(8, 13)
    assert len(set(kinds.argmax(axis=1))) == 1
    assert (np.count_nonzero(kinds > 1e-3, axis=1) == 1).all()


def test_libraries_of_traces_and_volumes_differ_by_the_places_they_cover():
    """One of two windows of each trace is shared: cosine 1 / 2. Volumes: half of the window is shared."""
    samples = make_samples(["training"] * 3, shape=(640, 1))
    one, other = (
        make_windows([np.zeros((40, 1), np.float32)] * 2, owner=[0, 1], boxes=[(0, 40), box])
        for box in ((40, 80), (80, 120))
    )
    assert library_differences([one, other], samples)[0, 1] == pytest.approx(0.5**0.5)
    samples = make_samples(["training"], shape=(8, 8, 8, 1))
    one, other = (
        make_windows([np.zeros((4, 4, 4, 1), np.float32)], boxes=[(z, 0, 0, z + 4, 4, 4)]) for z in (0, 2)
    )
    assert library_differences([one, other], samples)[0, 1] == pytest.approx(0.5**0.5)
