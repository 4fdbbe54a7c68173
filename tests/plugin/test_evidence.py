"""Maps of a batch: packed into few targets, and channels on their own grid against the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_nets import ResidualNet, SharedNet, seeded

from foveal.attribution import METHODS, LayerMethod
from foveal.capture import Contribution, NodeTarget, Tap
from foveal.evidence import _targets, gather
from foveal.features import FeatureName

FEATURES = [*(FeatureName("fc1", node) for node in range(7)), *(FeatureName("class", k) for k in range(3))]

WATCHING = [
    one.name
    for one in METHODS.values()
    if isinstance(one, LayerMethod) and not one.linear_head and one.sanity != "fails"
]


@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=6))
def test_every_choice_gets_one_place_and_no_target_is_wasted(chosen):
    targets, slots = _targets(FEATURES, chosen)
    assert set(slots) == {(row, column) for row, columns in enumerate(chosen) for column in columns}
    for (row, column), slot in slots.items():
        assert targets[slot].layer == FEATURES[column].layer
        assert int(targets[slot].index[row]) == FEATURES[column].index
    longest = sum(
        max(sum(FEATURES[column].layer == layer for column in columns) for columns in chosen)
        for layer in ("fc1", "class")
    )
    assert len(targets) == longest
    assert sum(int((target.index >= 0).sum()) for target in targets) == len(slots)


@pytest.mark.parametrize("method", WATCHING)
def test_maps_are_those_of_single_targets(method):
    x, chosen = torch.rand(3, 1, 16, 16), [[9, 2], [], [0, 1, 2]]
    with Tap(seeded(SharedNet), "conv2", ["fc1"]) as tap:
        forward = tap.forward(x)
        evidence = gather(forward, FEATURES, chosen, layer="conv2", method=method)
        for row, columns in enumerate(chosen):
            assert [one.column for one in evidence.features[row]] == columns
            for one in evidence.features[row]:
                name = FEATURES[one.column]
                expected = forward.attribute([NodeTarget(name.layer, name.index)], method)[row, 0]
                np.testing.assert_allclose(one.map, expected.numpy(), rtol=1e-4, atol=1e-6)
                assert one.layer == "conv2"
        contribution = forward.attribute([Contribution()], "hirescam")[:, 0].numpy()
    np.testing.assert_allclose(evidence.contribution, contribution, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(evidence.product.sum(1), contribution, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", WATCHING)
def test_channels_on_their_own_grid_equal_the_gradient_taken_there(method):
    model, x = seeded(ResidualNet), torch.rand(2, 3, 32, 32)
    features, chosen = [FeatureName("layer3", channel) for channel in range(16)], [[5, 0], [15]]
    with Tap(model, "layer2", ["layer3"]) as tap:
        own = gather(tap.forward(x), features, chosen, layer="layer2", method=method, own_layers=["layer3"])
    with Tap(model, "layer3", ["layer3"]) as tap:
        forward = tap.forward(x)
        for row, columns in enumerate(chosen):
            assert [one.column for one in own.features[row]] == columns
            for one in own.features[row]:
                expected = forward.attribute([NodeTarget("layer3", one.column)], method)[row, 0]
                np.testing.assert_allclose(one.map, expected.numpy(), rtol=1e-4, atol=1e-6)
                assert one.layer == "layer3"
    assert own.contribution.shape == (2, 8, 8)


def test_nothing_chosen():
    with Tap(seeded(SharedNet), "conv2", ["conv3"]) as tap:
        forward = tap.forward(torch.rand(2, 1, 16, 16))
        evidence = gather(
            forward,
            [FeatureName("conv3", 0)],
            [[], []],
            layer="conv2",
            method="gradcam",
            own_layers=["conv3"],
        )
    assert evidence.features == [[], []]
