"""Learned masks: they find what was planted, and nothing else, on any number of axes."""

from __future__ import annotations

import pytest
import torch
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.attribution.gradients import passes

meaningful_perturbation = get_method("meaningful-perturbation").attribute


def _planted(sides, batch=1):
    """Class 1 sees the brightness of a box, and so do node units; nothing else matters."""
    where = tuple(slice(side // 2, side // 2 + max(2, side // 4)) for side in sides)
    x = torch.rand(batch, 1, *sides, generator=torch.Generator().manual_seed(0)) / 5
    x[(..., *where)] += 1

    def model(rows):
        bright = rows[(slice(None), 0, *where)].flatten(1).mean(1)
        return torch.stack([torch.full_like(bright, 2.0), 5 * bright], 1)

    return model, x, where


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("sides", [(64,), (32, 32), (12, 12, 12)])
def test_finds_a_planted_patch(sides, classes):
    model, x, where = _planted(sides)
    maps = meaningful_perturbation(ToySubject(model, x, classes=classes), steps=150)[0, 1]
    assert maps.min() >= 0
    assert maps.max() <= 1
    inside = torch.zeros(sides, dtype=torch.bool)
    inside[where] = True
    assert maps[inside].mean() > 0.5
    assert maps[inside].mean() > 3 * maps[~inside].mean()
    assert inside.flatten()[maps.flatten().argmax()]


def test_the_deletion_takes_the_class_away():
    model, x, _ = _planted((32, 32))
    subject = ToySubject(model, x)
    deleted = meaningful_perturbation(subject, steps=150, baseline="zero")[:, 1:2]
    assert float(subject.probabilities(x)[0, 1]) > 0.9
    assert float(subject.probabilities(x * (1 - deleted))[0, 1]) < 0.25


def test_what_changes_nothing_is_kept():
    """The explained class's own value is constant as a node: nothing is worth deleting."""
    model, x, _ = _planted((16, 16))
    maps = meaningful_perturbation(ToySubject(model, x, classes=False), steps=30)
    assert maps[0, 0].abs().max() == 0


def test_units_in_several_forwards_get_the_masks_of_one(monkeypatch):
    model, x, _ = _planted((16, 16), batch=2)
    whole = meaningful_perturbation(ToySubject(model, x), steps=20)
    monkeypatch.setattr(passes, "ROWS", 2)
    torch.testing.assert_close(meaningful_perturbation(ToySubject(model, x), steps=20), whole)


def test_one_step_by_hand():
    """One cell, no jitter: the gradient is that of the score alone, Adam's first step is the rate."""
    x = torch.full((1, 1, 4, 4), 2.0)
    subject = ToySubject(lambda rows: rows.mean((2, 3)), x, classes=False)
    maps = meaningful_perturbation(subject, steps=1, jitter=0, cells=1, baseline="zero", l1=0)
    torch.testing.assert_close(maps, torch.full((1, 1, 4, 4), 0.1))
