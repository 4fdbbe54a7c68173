"""What is kept of a linear head's weight: the same bits as made anew, and never those of another weight."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_nets import seeded

from foveal.capture import ClassTarget, Contribution, Tap, TopClass
from foveal.capture import slopes as module
from foveal.capture.slopes import Slopes

GRID = (2, 3)


def made_anew(target, values, weight):
    """Give the gradient as it is without anything kept."""
    slope = (target.cotangent(values) @ weight.detach())[:, None] / prod(GRID)
    return slope[..., None, None].expand(*slope.shape, *GRID)


@pytest.fixture
def weight():
    return torch.nn.Parameter(torch.randn(5, 4, generator=torch.Generator().manual_seed(3)))


def ask(slopes, target, values, weight):
    """Give what is kept or made, whether it was made, and insist that it is right."""
    calls = []

    def make():
        calls.append(1)
        return made_anew(target, values, weight)

    found = slopes.of(target, values, weight, GRID, make)
    assert torch.equal(found, made_anew(target, values, weight))
    return bool(calls)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
def test_each_class_is_made_once(classes):
    slopes, weight = Slopes(), torch.nn.Parameter(torch.arange(20.0).reshape(5, 4).sqrt())
    made = [ask(slopes, (Contribution if own else TopClass)(), one(top), weight) for top, own in classes]
    assert made == [(top, own) not in classes[:place] for place, (top, own) in enumerate(classes)]


def one(top, number=1):
    values = torch.zeros(number, 5)
    values[:, top] = 2.0
    return values


@torch.no_grad()
def whole(weight):
    weight.mul_(2)


def row_through_data(weight):
    weight.data[1] += 1


def moved(weight):
    weight.data = weight.data + 1


@pytest.mark.parametrize("change", [whole, row_through_data, moved])
def test_a_change_shows(weight, change):
    slopes = Slopes()
    assert ask(slopes, Contribution(), one(1), weight)
    assert not ask(slopes, Contribution(), one(1), weight)
    change(weight)
    assert ask(slopes, Contribution(), one(1), weight)


def test_another_weight_is_another(weight):
    slopes = Slopes()
    assert ask(slopes, Contribution(), one(1), weight)
    assert ask(slopes, Contribution(), one(1), torch.nn.Parameter(weight.detach() + 1))
    assert ask(slopes, Contribution(), one(1), weight)


def test_another_grid_is_another(weight):
    slopes, asked = Slopes(), []
    for grid in ((2, 2), (4, 4), (2, 2)):
        slopes.of(TopClass(), one(0), weight, grid, lambda grid=grid: asked.append(grid) or torch.zeros(1))
    assert asked == [(2, 2), (4, 4)]


def test_scores_of_another_width_are_others(weight):
    slopes = Slopes()  # the mean of the logits rounds otherwise in half precision
    for values, made in ((one(1), True), (one(1).bfloat16(), True), (one(1), False)):
        target = Contribution()
        anew = target.cotangent(values).to(weight.dtype) @ weight.detach()
        calls = []
        found = slopes.of(target, values, weight, GRID, lambda new=anew, calls=calls: calls.append(1) or new)
        assert torch.equal(found, anew)
        assert bool(calls) is made


@pytest.mark.parametrize(
    ("target", "values"),
    [(Contribution(), one(1, 2)), (ClassTarget(1), one(1)), (TopClass(), torch.ones(1, 1))],
)
def test_batches_single_classes_and_single_logits_are_made_anew(weight, target, values):
    slopes = Slopes()
    own = weight if values.shape[1] > 1 else torch.nn.Parameter(weight.detach()[:1])
    assert [ask(slopes, target, values, own) for _ in range(2)] == [True, True]


def test_weights_whose_changes_cannot_be_told_are_read_each_time(weight):
    with torch.inference_mode():
        copied = torch.nn.Parameter(weight * 1, requires_grad=False)
    for own in (copied, torch.nn.Parameter(weight.detach().bfloat16()), weight * 1):
        calls, slopes = [], Slopes()
        for _ in range(2):
            slopes.of(TopClass(), one(1), own, GRID, lambda calls=calls: calls.append(1) or torch.zeros(1))
        assert calls == [1, 1]


def test_there_is_an_end_to_what_is_kept(weight, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 2 * 2 * 4 * 4)  # two slopes of four floats, and their rows
    slopes = Slopes()
    made = [ask(slopes, TopClass(), one(top), weight) for top in (0, 1, 0, 1, 2, 2, 3, 0)]
    assert made == [True, True, False, False, True, False, True, True]


class Averaging(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 6, 3)
        self.fc = torch.nn.Linear(6, 9)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


@pytest.mark.parametrize("target", [Contribution(), TopClass()])
def test_maps_are_the_same_bits_from_one_request_to_the_next_and_in_a_new_process(target):
    model, samples = seeded(Averaging), torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with Tap(model, "conv") as tap:
        tap.calibrate(samples[:1])
        kept = [tap.forward(sample[None]).gradients([target]) for sample in samples for _ in range(2)]
        head = tap.forward(samples[:1]).head
        anew = []
        for sample in samples:
            head.slopes.__init__()
            anew += [tap.forward(sample[None]).gradients([target])] * 2
        assert head.averages
    assert all(torch.equal(one, other) for one, other in zip(kept, anew, strict=True))
