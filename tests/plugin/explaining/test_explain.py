"""`foveal.explain`: the public call on networks whose answers are known."""

from __future__ import annotations

import pytest
import torch
from small_nets import SharedNet, seeded

import foveal
from foveal.capture import ClassTarget, NodeTarget, Tap, TopClass
from foveal.errors import UsageError


def test_it_gives_what_a_tap_gives():
    model, x = seeded(SharedNet), torch.rand(3, 1, 16, 16)
    explained = foveal.explain(
        model, x, layer="conv1", targets=["top", "fc1:3", "class:2"], method="layercam"
    )
    with Tap(model, "conv1", ["fc1"]) as tap:
        forward = tap.forward(x)
        maps = forward.attribute([TopClass(), NodeTarget("fc1", 3), ClassTarget(2)], "layercam")
    assert torch.equal(explained.output, forward.output)
    assert torch.equal(explained.maps, maps)
    assert explained.maps.shape == (3, 3, 16, 16)
    assert (explained.layer, explained.method) == ("conv1", "layercam")
    assert explained.targets == ("top", "fc1:3", "class:2")


def test_defaults():
    model, x = seeded(SharedNet), torch.rand(2, 1, 16, 16)
    explained = foveal.explain(model, x)
    assert (explained.layer, explained.targets, explained.method) == ("conv2", ("top",), "hirescam")
    assert explained.maps.shape == (2, 1, 8, 8)
    assert torch.equal(foveal.explain(model, x, targets="top").maps, explained.maps)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "conv4"}, "Unknown layer 'conv4'. Did you mean 'conv3' or 'conv2' or 'conv1'."),
        (
            {"method": "gradcat"},
            "Unknown method 'gradcat'. Did you mean 'gradcam' or 'gradxact' or 'gradcam++'.",
        ),
        ({"targets": ["fc1"]}, "Target 'fc1' is not one unit. Write top, class:K or LAYER:INDEX."),
        (
            {"targets": ["class:9"]},
            "Feature 'class:9' is out of range: the model has 3 classes. Give an index from 0 to 2.",
        ),
        (
            {"layer": "conv3", "targets": ["conv1:0"]},
            "Layer 'conv1' does not come after the map's layer. Choose an earlier --layer for the map.",
        ),
    ],
)
def test_wrong_names_are_told(options, message):
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(SharedNet), torch.rand(1, 1, 16, 16), **options)
    assert str(caught.value) == message


def test_training_mode_and_wrong_sizes_are_told():
    with pytest.raises(UsageError, match=r"The model is in training mode. Call model.eval\(\) first."):
        foveal.explain(SharedNet(), torch.rand(1, 1, 16, 16))
    with pytest.raises(UsageError, match="Sample 'x' of size 24x24 does not fit the model"):
        foveal.explain(seeded(SharedNet), torch.rand(1, 1, 24, 24))
