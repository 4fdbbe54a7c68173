"""What all perturbation methods owe: shapes on any number of axes, seeds, independence, nothing touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.attribution.perturbation import passes
from foveal.errors import UsageError

#: Options that keep each method short.
METHODS = {
    "rise": {"samples": 40, "cells": 3},
    "sliding-window": {"window": 3},
    "prediction-difference": {"window": 3, "stride": 2, "samples": 3, "pad": 1},
    "meaningful-perturbation": {"steps": 4},
}
SIDES = [(9,), (8, 7), (5, 4, 6)]


def _subject(sides, batch=3, dtype=torch.float64, **fields):
    random = torch.Generator().manual_seed(1)
    width = 2 * torch.Size(sides).numel()
    first = torch.randn(width, 5, generator=random, dtype=dtype)
    second = torch.randn(5, 4, generator=random, dtype=dtype) / 3
    x = torch.randn(batch, 2, *sides, generator=random, dtype=dtype)
    training = torch.randn(12, 2, *sides, generator=random, dtype=dtype)
    return ToySubject(
        lambda rows: (rows.flatten(1) @ first / 4).relu() @ second, x, training=training, **fields
    )


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_gives_maps_on_the_input_grid_within_bounded_forwards(self, name, sides):
        subject = _subject(sides)
        maps = get_method(name).attribute(subject, **METHODS[name])
        assert maps.shape == (3, 4, *sides)
        assert maps.dtype == torch.float32
        assert not maps.requires_grad
        assert maps.isfinite().all()
        assert max(subject.calls) <= passes.ROWS

    def test_explains_each_sample_as_if_it_were_alone(self, name, sides):
        subject = _subject(sides)
        maps = get_method(name).attribute(subject, **METHODS[name])
        for row in range(3):
            alone = replace(subject, model=subject.function, x=subject.x[row : row + 1])
            single = get_method(name).attribute(alone, **METHODS[name])
            torch.testing.assert_close(single[0], maps[row], rtol=1e-4, atol=1e-5)

    def test_draws_from_the_seed_and_leaves_the_global_generator_alone(self, name, sides):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        one, two = (get_method(name).attribute(_subject(sides), **METHODS[name]) for _ in range(2))
        assert torch.equal(one, two)
        assert torch.equal(torch.get_rng_state(), before)

    def test_explains_nodes_of_any_scale(self, name, sides):
        subject = _subject(sides, classes=False)
        maps = get_method(name).attribute(subject, **METHODS[name])
        assert maps.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_single_precision_agrees_with_double(name):
    subject = _subject((8, 7))
    rounded = replace(
        subject, model=lambda rows: subject.function(rows.double()).to(rows), x=subject.x.float()
    )
    double, single = (get_method(name).attribute(one, **METHODS[name]) for one in (subject, rounded))
    assert single.dtype == double.dtype == torch.float32
    torch.testing.assert_close(single, double, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["rise", "prediction-difference"])
def test_another_seed_gives_another_map(name):
    one, two = (get_method(name).attribute(_subject((8, 7), seed=seed), **METHODS[name]) for seed in (0, 1))
    assert not torch.equal(one, two)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rise", {"samples": 1}, "Option 'samples' is 1. Give 2 or more."),
        ("rise", {"keep": 1.0}, "Option 'keep' is 1.0. Give a chance between 0 and 1."),
        ("rise", {"baseline": "blurr"}, "Unknown baseline 'blurr'. Did you mean 'blur'."),
        ("sliding-window", {"window": 0}, "Option 'window' is 0. Give 1 or more."),
        (
            "sliding-window",
            {"content": "krop"},
            "Unknown content 'krop' of a window. Did you mean 'crop' or 'keep'.",
        ),
        ("prediction-difference", {"stride": 0}, "Option 'stride' is 0. Give 1 or more."),
        ("prediction-difference", {"fill": "meen"}, "Unknown fill 'meen'. Did you mean 'mean'."),
        ("meaningful-perturbation", {"steps": 0}, "Option 'steps' is 0. Give 1 or more."),
    ],
)
def test_options_out_of_range_are_named(name, options, message):
    with pytest.raises(UsageError) as caught:
        get_method(name).attribute(_subject((8, 7)), **options)
    assert str(caught.value) == message
