"""Feature names: what they mean, what they expand to, and how wrong ones are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.features import FeatureName, expand, node_layers

WIDTHS = {"fc1": 3, "layer4.1": 2, "class": 2}


@pytest.mark.parametrize(
    ("text", "layer", "index", "written"),
    [
        ("fc1:7", "fc1", 7, "fc1:7"),
        ("fc1", "fc1", None, "fc1"),
        ("fc1:*", "fc1", None, "fc1"),
        (" layer4.1:12 ", "layer4.1", 12, "layer4.1:12"),
        ("class:*", "class", None, "class:*"),
        ("class", "class", None, "class:*"),
        ("class:3", "class", 3, "class:3"),
        ("contribution", "contribution", None, "contribution"),
        ("contribution:12", "contribution", 12, "contribution:12"),
    ],
)
def test_parse(text, layer, index, written):
    name = FeatureName.parse(text)
    assert (name.layer, name.index, str(name)) == (layer, index, written)


@given(st.from_regex(r"[a-z_][a-z0-9_.]{0,20}", fullmatch=True), st.none() | st.integers(0, 10**9))
def test_a_written_name_reads_back(layer, index):
    name = FeatureName(layer, index)
    assert FeatureName.parse(str(name)) == name


@pytest.mark.parametrize("text", ["", ":3", "fc1:", "fc1:x", "fc1:-1", "fc1:1.5", "fc1:³", "fc1:1:2"])
def test_what_is_no_name(text):
    with pytest.raises(UsageError) as caught:
        FeatureName.parse(text)
    assert (
        str(caught.value) == f"Feature '{text}' is not a name. Write LAYER:INDEX, LAYER, class:K or class:*."
    )


def test_expand_keeps_the_order_and_names_each_once():
    names = expand(["layer4.1:1", "class:*", "contribution", "layer4.1", "class:0"], WIDTHS)
    assert [str(name) for name in names] == ["layer4.1:1", "class:0", "class:1", "layer4.1:0"]


def test_node_layers():
    assert node_layers(["fc1:1", "class:*", "layer4.1", "contribution", "fc1"]) == ["fc1", "layer4.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fc2:0", "Feature 'fc2:0': unknown layer 'fc2'. Did you mean 'fc1'."),
        ("fc1:3", "Feature 'fc1:3' is out of range: layer 'fc1' has 3 nodes. Give an index from 0 to 2."),
        ("class:2", "Feature 'class:2' is out of range: the model has 2 classes. Give an index from 0 to 1."),
    ],
)
def test_what_does_not_expand(text, message):
    with pytest.raises(UsageError) as caught:
        expand([text], WIDTHS)
    assert str(caught.value) == message
