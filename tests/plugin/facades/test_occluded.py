"""A network that can only be asked: the gradient by a cell is what the scores lose without it."""

from __future__ import annotations

import pytest
import torch

import foveal
from foveal.capture import Contribution, Tap
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.facades.occluded import Occluded, grid_of
from foveal.observer import Observer
from foveal.tapping import tapped


def corners(x):
    """Score 0 is the upper left quarter's sum, score 1 twice the lower right one's."""
    half = x.shape[-1] // 2
    return torch.stack([x[..., :half, :half].sum((1, 2, 3)), 2 * x[..., half:, half:].sum((1, 2, 3))], 1)


@pytest.fixture
def asked():
    return Occluded(corners, "it is closed")


def test_maps_are_what_scores_lose(asked):
    x = torch.zeros(2, 1, 16, 16)
    x[0, 0, 2, 3], x[1, 0, 9, 14] = 5.0, 7.0
    found = foveal.explain(asked, x, targets=["class:0", "class:1"], method="hirescam")
    assert (found.layer, found.maps.shape) == ("cells", (2, 2, 8, 8))
    fill = x.mean((1, 2, 3))
    # A cell is 2 x 2: without it, its sum goes and four times the mean comes.
    truth = torch.zeros(2, 2, 8, 8)
    for row, value in enumerate((5.0, 7.0)):
        truth[row, 0, :4, :4] = -4 * fill[row]
        truth[row, 1, 4:, 4:] = -8 * fill[row]
        cell = (0, 1, 1) if row == 0 else (1, 4, 7)
        truth[(row, *cell)] += value * (1 if row == 0 else 2)
    torch.testing.assert_close(found.maps, truth)
    assert torch.equal(found.output, corners(x))


def test_against_a_naive_twin():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2 * 5 * 12, 3)).eval()
    x = torch.randn(3, 2, 5, 12)
    with torch.no_grad():
        found = foveal.explain(Occluded(net, "closed"), x, targets=["class:1"]).maps[:, 0]
        assert found.shape == (3, 5, 8)
        rows = [min(int(y * 5 / 5), 4) for y in range(5)]
        columns = [int(column * 8 / 12) for column in range(12)]
        for row in range(5):
            for column in range(8):
                hidden = x.clone()
                for y in range(5):
                    for place in range(12):
                        if (rows[y], columns[place]) == (row, column):
                            hidden[:, :, y, place] = x.mean((2, 3))
                torch.testing.assert_close(
                    found[:, row, column], net(x)[:, 1] - net(hidden)[:, 1], rtol=1e-3, atol=1e-5
                )


@pytest.mark.parametrize(
    ("shape", "grid"), [((1, 2, 100), (32,)), ((1, 1, 20, 6), (8, 6)), ((1, 1, 9, 9, 3), (4, 4, 3))]
)
def test_how_many_cells(shape, grid):
    x = torch.randn(shape)
    assert grid_of(x) == grid
    found = foveal.explain(Occluded(lambda x: x.flatten(1)[:, :4], "closed"), x)
    assert found.maps.shape == (1, 1, *grid)


def test_all_targets_share_the_same_questions():
    asked = []
    net = Occluded(lambda x: asked.append(len(x)) or corners(x), "closed")
    x = torch.randn(2, 1, 16, 16)
    with Tap(net, "cells") as tap:
        forward = tap.forward(x)
        assert asked == [2]
        forward.gradients([Contribution()])
        once = sum(asked)
        forward.gradients([Contribution(), *[Contribution()] * 5])
    assert once == 2 + 2 * 64
    assert sum(asked) == once


def test_nobody_listening_it_is_asked_once(asked):
    with Tap(asked, "cells"), torch.no_grad():
        assert torch.equal(asked(torch.ones(1, 1, 4, 4)), corners(torch.ones(1, 1, 4, 4)))


def test_methods_that_need_gradients_say_so(asked):
    with pytest.raises(UsageError) as caught:
        foveal.explain(asked, torch.randn(1, 1, 8, 8), method="gradient")
    assert str(caught.value) == (
        "The model has no gradients: it is closed. Choose a method that only asks the model, such as "
        "occlusion or rise."
    )
    assert foveal.explain(asked, torch.randn(1, 1, 8, 8), method="occlusion").layer == "input"


def test_where_autograd_finds_a_way_it_is_taken():
    x = torch.randn(1, 1, 8, 8)
    found = foveal.explain(
        Occluded(corners, "closed", smooth=True), x, targets=["class:1"], method="gradient"
    )
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., 4:, 4:] = 2
    torch.testing.assert_close(found.maps, truth)


def test_its_features_are_its_classes(asked):
    example = torch.randn(1, 1, 8, 8)
    with Observer(asked, None, FovealConfig(), "0" * 64, example) as observer:
        assert observer.layer == "cells"
        assert [str(one) for one in observer.features] == ["class:0", "class:1"]
    with pytest.raises(UsageError) as caught:
        tapped(asked, FovealConfig(layer="fc1"), example)
    assert str(caught.value) == (
        "The model can only be asked, which has no layer 'fc1'. Leave layer and features at 'auto', or name "
        "'cells' or classes."
    )
