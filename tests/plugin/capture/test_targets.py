"""Targets as text, and shape errors told in terms of the sample."""

from __future__ import annotations

import pytest
import torch
from small_nets import SharedNet, seeded

from foveal.capture import (
    ClassTarget,
    Contribution,
    NodeTarget,
    TopClass,
    naming_samples,
    parse_target,
    predicted_classes,
)
from foveal.errors import UsageError


def test_parsing():
    assert isinstance(parse_target("top"), TopClass)
    assert isinstance(parse_target("contribution"), Contribution)
    one = parse_target("class:3")
    assert isinstance(one, ClassTarget)
    assert (one.layer, one.index) == ("class", 3)
    node = parse_target("layer4.1:12")
    assert isinstance(node, NodeTarget)
    assert (node.layer, node.index) == ("layer4.1", 12)


@pytest.mark.parametrize("text", ["fc1", "class:*", "contribution:3"])
def test_several_units_are_no_target(text):
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert str(caught.value) == f"Target '{text}' is not one unit. Write top, class:K or LAYER:INDEX."


def test_predicted_classes():
    assert predicted_classes(torch.tensor([[0.1, 0.3], [2.0, 1.0]])).tolist() == [1, 0]
    assert predicted_classes(torch.tensor([[-1.0], [2.0]])).tolist() == [0, 1]


def test_shape_errors_name_the_sample_and_the_mend():
    model = seeded(SharedNet)
    for shape, message in {
        (1, 24, 40): (
            "Sample 'a.png' of size 24x40 does not fit the model: "
            "mat1 and mat2 shapes cannot be multiplied (2x90 and 24x7). "
            "Pass the size that the model takes as --size H,W to `foveal pack`."
        ),
        (3, 16, 16): (
            "Sample 'a.png' with 3 channels does not fit the model: "
            "Given groups=1, weight of size [4, 1, 3, 3], expected input[2, 3, 16, 16] to have 1 channels, "
            "but got 3 channels instead. Pass the model's --channels to `foveal pack`."
        ),
    }.items():
        x = torch.rand(2, *shape)
        with pytest.raises(UsageError) as caught, naming_samples(["a.png", "b.png"], x):
            model(x)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    "error", [RuntimeError("a broken model"), torch.OutOfMemoryError("size"), ValueError("size")]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, naming_samples(["a.png"], torch.rand(1, 1, 2, 2)):
        raise error
    assert caught.value is error
