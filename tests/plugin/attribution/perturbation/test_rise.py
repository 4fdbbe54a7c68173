"""RISE against loops over the same masks, and against what masks and scores must be on average."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.attribution.perturbation.rise import draw_masks

rise = get_method("rise").attribute


def _masks(samples, sides, seed=0, cells=3, keep=0.5):
    return list(draw_masks(samples, sides, cells=cells, keep=keep, seed=seed))


@pytest.mark.parametrize("sides", [(11,), (8, 7), (5, 4, 6)])
def test_equals_loops_over_the_same_masks(sides):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *sides, generator=random, dtype=torch.float64)
    weight = torch.randn(3 * torch.Size(sides).numel(), 4, generator=random, dtype=torch.float64)
    subject = ToySubject(lambda rows: rows.flatten(1) @ weight, x, seed=7)
    maps = rise(subject, samples=50, cells=3, keep=0.4, centred=False)
    masks = _masks(50, sides, seed=7, keep=0.4)
    for sample in range(2):
        for unit in range(4):
            values = [subject.probabilities((x[sample] * mask)[None])[0, unit] for mask in masks]
            mean_value, mean_mask = sum(values) / 50, sum(masks) / 50
            covariance = sum(
                (value - mean_value) * (mask - mean_mask) for value, mask in zip(values, masks, strict=True)
            )
            expected = covariance / 49 / 0.4 + mean_value
            torch.testing.assert_close(maps[sample, unit], expected.float())


def test_a_model_that_sees_nothing_gets_a_flat_map():
    """The paper's own estimate would show how often each position happened to be kept."""
    subject = ToySubject(lambda rows: rows.new_ones(len(rows), 2), torch.randn(1, 1, 9, 9))
    assert rise(subject, samples=30).abs().max() < 1e-6


def test_expects_what_the_paper_expects():
    """The score is the mask itself at one position: the paper's value is a mean over masks."""
    x = torch.ones(1, 1, 6, 6, dtype=torch.float64)
    subject = ToySubject(lambda rows: rows[:, :, 2, 3], x, classes=False)
    masks = torch.stack(_masks(4000, (6, 6), cells=2))
    paper = (masks[:, 2, 3, None, None] * masks).mean(0) / 0.5
    torch.testing.assert_close(
        rise(subject, samples=4000, cells=2, centred=False)[0, 0], paper, atol=0.02, rtol=0
    )


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**32), st.data())
def test_masks_are_smooth_and_between_nothing_and_all(axes, cells, seed, data):
    sides = tuple(data.draw(st.integers(1, 9)) for _ in range(axes))
    for mask in _masks(3, sides, seed, cells):
        assert mask.shape == sides
        assert 0 <= float(mask.min()) <= float(mask.max()) <= 1 + 1e-6  # of rounding


def test_every_position_is_kept_with_the_same_chance():
    mean = torch.stack(_masks(6000, (10, 7), keep=0.3)).mean(0)
    assert (mean - 0.3).abs().max() < 0.03


def test_finds_the_pixel_that_decides():
    def model(rows):
        seen = rows[:, 0, 3:5, 9:11].mean((1, 2))
        return torch.stack([8 * seen, 0 * seen], 1)

    best = rise(ToySubject(model, torch.ones(1, 1, 12, 12)), samples=400)[0, 0].flatten().argmax()
    assert abs(int(best) // 12 - 3.5) <= 2
    assert abs(int(best) % 12 - 9.5) <= 2
