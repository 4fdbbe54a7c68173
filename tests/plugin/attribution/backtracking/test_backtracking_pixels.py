"""Views of the important pixels: density, attention, saliency mask, boxes, without outliers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import PatentNet, seeded

import foveal
from foveal.attribution.backtracking import Backtrack
from foveal.errors import UsageError


def of(shape, points):
    counts = torch.zeros(1, 1, *shape, dtype=torch.float64)
    for place, number in points.items():
        counts[(0, 0, *place)] = number
    return Backtrack(counts)


def naive_density(counts, widths):
    density = torch.zeros_like(counts)
    for place in torch.cartesian_prod(*map(torch.arange, counts.shape)).view(-1, counts.ndim).tolist():
        for point in counts.nonzero().tolist():
            square = sum(((p - q) / width) ** 2 for p, q, width in zip(place, point, widths, strict=True))
            density[tuple(place)] += counts[tuple(point)] / counts.sum() * math.exp(-square / 2)
    return density


def naive_focus(counts, share, reach):
    kept, radius = counts.clone(), reach * math.sqrt(sum(side**2 for side in counts.shape))
    for point in counts.nonzero().tolist():
        near = sum(
            float(counts[tuple(other)])
            for other in counts.nonzero().tolist()
            if math.dist(point, other) <= radius
        )
        if near < share * float(counts.sum()):
            kept[tuple(point)] = 0
    return kept


@st.composite
def scattered(draw):
    shape = draw(st.sampled_from([(9,), (20,), (5, 7), (3, 4, 5)]))
    place = st.tuples(*(st.integers(0, side - 1) for side in shape))
    return shape, draw(st.dictionaries(place, st.integers(1, 6), min_size=1, max_size=6))


@settings(max_examples=40, deadline=None)
@given(scattered(), st.sampled_from([None, 0.7, 3.0]))
def test_density_is_the_sum_of_gaussians(made, sigma):
    shape, points = made
    found = of(shape, points)
    widths = [sigma or max(side * 20 / 224, 0.5) for side in shape]
    expected = naive_density(found.counts[0, 0], widths)
    assert torch.allclose(found.density(sigma)[0, 0], expected, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(scattered(), st.sampled_from([0.0, 0.05, 0.3, 0.5]), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_outliers_are_those_with_few_near(made, share, reach):
    shape, points = made
    found = of(shape, points)
    assert torch.equal(
        found.focused(share, reach).counts[0, 0], naive_focus(found.counts[0, 0], share, reach)
    )


def test_pixels_say_where_and_how_often():
    pixels = of((3, 4), {(0, 2): 2, (2, 1): 5}).pixels(0)
    assert pixels.coordinates.tolist() == [[0, 2], [2, 1]]
    assert pixels.counts.tolist() == [2, 5]
    assert len(pixels) == 2


def test_boxes_go_round_the_outermost_pixels():
    assert of((9, 9), {(1, 5): 1, (3, 2): 1}).boxes() == [[(1, 2, 4, 6)]]
    assert of((9,), {(4,): 1}).box(0) == (4, 5)
    assert of((9,), {}).boxes() == [[None]]


def test_one_pixel_apart_from_many_is_an_outlier():
    points = {(row, column): 2 for row in range(4) for column in range(4)}
    found = of((40, 40), {**points, (39, 39): 1})
    assert found.box(0) == (0, 0, 40, 40)
    assert found.focused().box(0) == (0, 0, 4, 4)


def test_attention_reaches_1_and_saliency_is_where_it_is_high():
    found = of((11,), {(2,): 3, (9,): 1})
    attention = found.attention(sigma=1.0)[0, 0]
    assert attention.max() == 1
    assert attention.argmax() == 2
    assert found.saliency(0.5, sigma=1.0)[0, 0].nonzero()[:, 0].tolist() == [1, 2, 3]
    assert found.saliency(0.3, sigma=1.0)[0, 0].nonzero()[:, 0].tolist() == [1, 2, 3, 9]


def test_nothing_stays_nothing():
    found = of((4, 4), {})
    for view in (found.density(), found.attention(), found.saliency(), found.focused().counts):
        assert not view.any()


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (lambda found: found.density(0), "sigma is 0. Give a width in pixels above 0, or None."),
        (lambda found: found.saliency(0), "threshold is 0. Give a number above 0 up to 1."),
        (lambda found: found.focused(share=2), "share is 2. Give a number from 0 to 1."),
        (lambda found: found.focused(reach=-1), "reach is -1. Give a number from 0 to 1."),
    ],
)
def test_options_out_of_range(view, message):
    with pytest.raises(UsageError) as caught:
        view(of((4,), {}))
    assert str(caught.value) == message


class TestMethod:
    def test_it_is_the_density_without_outliers(self, trace):
        net, x = seeded(PatentNet), torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(0))
        maps = foveal.explain(net, x, method="backtracking", targets=["top", "fc1:3"]).maps
        expected = trace(net, x, "top", "fc1:3").focused().density().float()
        assert torch.equal(maps, expected)
        assert maps.dtype == torch.float32
        assert maps.min() >= 0
        assert 0 < maps.max() <= 1

    def test_options_reach_it(self, trace):
        net, x = seeded(PatentNet), torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))
        options = {"top_n": None, "entry_n": 2, "channels": "positive", "bias": True}
        drawn = {**options, "sigma": 2.0, "share": 0.0, "reach": 0.2}
        maps = foveal.explain(net, x, method="backtracking", options=drawn).maps
        assert torch.equal(maps, trace(net, x, **options).density(2.0).float())
