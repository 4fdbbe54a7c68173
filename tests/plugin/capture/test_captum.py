"""Against captum's Grad-CAM, which is right for one target at a time."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from small_nets import PatentNet, ResidualNet, SharedNet, seeded

import foveal

CASES = [
    (PatentNet, (1, 96, 96), "features.18", 5),
    (ResidualNet, (3, 32, 32), "layer2", 3),
    (ResidualNet, (3, 32, 32), "layer3.0.conv2", 3),
    (SharedNet, (1, 16, 16), "conv2", 3),
]


def distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize(("kind", "shape", "layer", "classes"), CASES)
def test_many_targets_in_one_pass_are_as_many_calls_of_captum(kind, shape, layer, classes):
    model = seeded(kind).double()
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(1)).double()
    units = [f"class:{label}" for label in range(classes)]
    ours = foveal.explain(model, x, layer=layer, targets=units, method="gradcam").maps
    captum = LayerGradCam(model, model.get_submodule(layer))
    for label in range(classes):
        theirs = captum.attribute(x, target=label)[:, 0].detach()
        assert distance(ours[:, label], theirs) < 1e-6


def test_hidden_nodes_are_captums_of_the_network_cut_there():
    model = seeded(PatentNet)
    x = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    ours = foveal.explain(
        model, x, layer="features.18", targets=[f"fc1:{node}" for node in range(16)], method="gradcam"
    ).maps

    class Cut(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model.fc1(self.model.features(x).flatten(1))

    captum = LayerGradCam(Cut(), model.features[18])
    for node in range(16):
        theirs = captum.attribute(x, target=node)[:, 0].detach()
        assert distance(ours[:, node], theirs) < 1e-6
