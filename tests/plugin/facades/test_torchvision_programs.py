"""Torchvision's networks as ``.pt2``: the same layers are reached, and maps are the eager network's."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torchvision_nets import build

import foveal
from foveal.archives import load_model
from foveal.capture import choose_layer, choose_node_layer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        find_spec("torchvision") is None,
        reason="Install the peers: pip install --no-deps -r tests/benchmarks/requirements.txt",
    ),
]

#: Where maps and nodes are taken: resnet's head averages its last block, mobilenet's has a hidden Linear.
LAYERS = {"resnet18": ("layer4", "layer4"), "mobilenet_v3_large": ("features", "classifier.0")}


@pytest.mark.parametrize("name", LAYERS)
def test_a_file_is_explained_as_the_network_is(tmp_path, name):
    net, batch = build(name), torch.export.Dim("batch")
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    torch.export.save(torch.export.export(net, (x,), dynamic_shapes=({0: batch},)), tmp_path / "net.pt2")
    program = load_model(str(tmp_path / "net.pt2")).module
    assert (choose_layer(program, x), choose_node_layer(program, x)) == LAYERS[name]
    targets = ["top", "class:7", f"{LAYERS[name][1]}:1"]
    for method, chosen in {"gradcam": targets, "hirescam": targets, "gradient": targets[:2]}.items():
        ours, theirs = (foveal.explain(one, x, targets=chosen, method=method) for one in (program, net))
        assert ours.layer == theirs.layer
        assert torch.equal(ours.output, theirs.output)
        torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-5, atol=1e-7)
        assert theirs.maps.abs().amax((2, 3)).min() > 1e-4
