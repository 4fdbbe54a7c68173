"""Each kind of model gets the tap that fits it, and features that it has."""

from __future__ import annotations

import pytest
import torch
from onnx_nets import build, export
from torch import nn

from foveal.capture import SCRIPTED_LAYER, ScriptedTap, Tap
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.facades.cut_files import present
from foveal.facades.occluded import Occluded
from foveal.tapping import tapped


@pytest.fixture(scope="module")
def net():
    return build("Residual")


@pytest.fixture(scope="module")
def x():
    return torch.randn(1, 3, 16, 16)


def test_every_kind_has_its_tap(net, x):
    script = torch.jit.trace(net, x)
    found = {
        "eager": tapped(net, FovealConfig(), x),
        "script": tapped(script, FovealConfig(), x),
        "onnx": tapped(present(export(net)), FovealConfig(), x),
        "asked": tapped(Occluded(net, "closed"), FovealConfig(), x),
    }
    kinds = {name: (type(tap), tap.layer, patterns) for name, (tap, patterns) in found.items()}
    assert kinds == {
        "eager": (Tap, "trunk", ("nodes.2",)),
        "script": (ScriptedTap, SCRIPTED_LAYER, (SCRIPTED_LAYER,)),
        "onnx": (Tap, "trunk_trunk_3_Relu_1", ("nodes_nodes_2_Gemm",)),
        "asked": (Tap, "cells", ("class:*",)),
    }
    for tap, _ in found.values():
        tap.close()


def test_what_was_pinned_is_not_chosen_again(net, x, monkeypatch):
    file = present(export(net))
    file.pinned = {"layer": "trunk_trunk_2_Relu", "nodes": "nodes_nodes_3_HardSwish"}
    asked = []
    monkeypatch.setattr(file, "forward", lambda *_: asked.append(1))
    tap, patterns = tapped(file, FovealConfig(), x)
    assert (tap.layer, patterns) == ("trunk_trunk_2_Relu", ("nodes_nodes_3_HardSwish",))
    assert not asked


@pytest.mark.parametrize(
    ("make", "what", "layer"),
    [
        (torch.jit.trace, "The model is TorchScript", SCRIPTED_LAYER),
        (lambda net, x: Occluded(net, "closed"), "The model can only be asked", "cells"),
    ],
)
def test_layers_that_it_has_not(net, x, make, what, layer):
    with pytest.raises(UsageError) as caught:
        tapped(make(net, x), FovealConfig(features=("fc1:3",)), x)
    assert str(caught.value) == (
        f"{what}, which has no layer 'fc1'. Leave layer and features at 'auto', or name {layer!r} or classes."
    )


def test_a_module_of_another_kind_is_eager(x):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)).eval()
    net(x)
    tap, patterns = tapped(net, FovealConfig(layer="1", features=("class:*",)), x)
    assert (tap.layer, patterns) == ("1", ("class:*",))
    tap.close()
