"""What may not matter: order and size of the batch, frozen parameters, in-place operations, precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import foveal

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
METHODS = ("gradcam", "gradcam++", "hirescam", "layercam")


class Random(nn.Module):
    """Some convolutions, each perhaps normalised, residual or striding; one ReLU, in place or not."""

    def __init__(self, axes, blocks, in_place, head):
        super().__init__()
        self.stem = CONV[axes](2, 6, 3, padding=1)
        self.convs = nn.ModuleList([CONV[axes](6, 6, 3, stride, 1) for stride, _, _ in blocks])
        self.norms = nn.ModuleList([NORM[axes](6) if norm else nn.Identity() for _, norm, _ in blocks])
        self.skips = [skip and stride == 1 for stride, _, skip in blocks]
        self.relu = nn.ReLU(in_place)
        self.in_place = in_place
        self.head = nn.Sequential(nn.Linear(6, 5), nn.ReLU(in_place), nn.Linear(5, 3))
        if head:
            self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.relu(self.stem(x))
        for conv, norm, skip in zip(self.convs, self.norms, self.skips, strict=True):
            out = norm(conv(x))
            if skip and self.in_place:
                out += x
            elif skip:
                out = out + x
            x = self.relu(out)
        return self.head(x.flatten(2).mean(-1))


@st.composite
def cases(draw):
    axes = draw(st.sampled_from((1, 2, 3)))
    blocks = draw(
        st.lists(st.tuples(st.sampled_from((1, 1, 2)), st.booleans(), st.booleans()), min_size=1, max_size=3)
    )
    head, seed = draw(st.booleans()), draw(st.integers(0, 2**16))
    layer = draw(st.sampled_from(["stem", *[f"convs.{n}" for n in range(len(blocks))]]))
    torch.manual_seed(seed)
    net = Random(axes, blocks, in_place=False, head=head)
    twin = Random(axes, blocks, in_place=True, head=head)
    twin.load_state_dict(net.state_dict())
    x = torch.rand(draw(st.integers(2, 4)), 2, *(6, 5, 4)[:axes])
    return net.eval(), twin.eval(), x, layer, draw(st.sampled_from(METHODS))


def distance(ours, theirs):
    """Relative, by norm: one flipped ReLU gate moves single values of a shallow map a good deal."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp(min=1e-6))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_in_place_frozen_mode_and_twin_networks_give_the_very_same(case):
    net, twin, x, layer, method = case
    units = ["top", "class:1", f"{layer}:2"]
    maps = foveal.explain(net, x, layer=layer, targets=units, method=method).maps
    assert torch.equal(foveal.explain(twin, x, layer=layer, targets=units, method=method).maps, maps)
    net.requires_grad_(False)
    assert torch.equal(foveal.explain(net, x, layer=layer, targets=units, method=method).maps, maps)
    with torch.inference_mode():
        inside = foveal.explain(net, x.clone(), layer=layer, targets=units, method=method).maps
    assert torch.equal(inside, maps)


@settings(max_examples=40, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_order_and_size_of_the_batch_and_the_number_of_units_do_not_matter(case, random):
    net, _, x, layer, method = case
    net, x = net.double(), x.double()
    units = ["class:0", "class:2", "contribution"]
    maps = foveal.explain(net, x, layer=layer, targets=units, method=method).maps
    order = random.sample(range(len(x)), len(x))
    shuffled = foveal.explain(net, x[order], layer=layer, targets=units, method=method).maps
    torch.testing.assert_close(shuffled, maps[order], rtol=1e-5, atol=1e-9)
    one, unit = random.randrange(len(x)), random.randrange(len(units))
    alone = foveal.explain(net, x[one : one + 1], layer=layer, targets=units[unit], method=method).maps
    torch.testing.assert_close(alone[0, 0], maps[one, unit], rtol=1e-5, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_float32_is_float64_but_for_rounding(case):
    net, _, x, layer, method = case
    single = foveal.explain(net, x, layer=layer, targets="class:1", method=method).maps
    double = foveal.explain(net.double(), x.double(), layer=layer, targets="class:1", method=method).maps
    assert distance(single, double) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_scaling_the_score_scales_linear_methods_maps(method):
    torch.manual_seed(0)
    net, x = Random(2, [(1, True, True)], in_place=False, head=True).eval(), torch.rand(1, 2, 6, 5)
    maps = foveal.explain(net, x, layer="stem", targets="class:1", method=method).maps
    tripled = foveal.explain(net, x, layer="stem", targets=[lambda s: 3 * s[:, 1]], method=method).maps
    if method == "gradcam++":  # alpha depends on the gradient's size: not linear, by its definition
        assert not torch.allclose(tripled, 3 * maps, rtol=1e-3)
    else:
        torch.testing.assert_close(tripled, 3 * maps)
