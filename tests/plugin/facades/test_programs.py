"""Exported programs and TorchScript: layers are reached, and all is equal to the eager network."""

from __future__ import annotations

import io

import pytest
import torch
from onnx_nets import NETS, build
from torch import nn

import foveal
from foveal.capture import SCRIPTED_LAYER, choose_layer, choose_node_layer
from foveal.capture.parted import Parted
from foveal.errors import UsageError
from foveal.facades.exported import present_program, sample_shape
from foveal.facades.occluded import Occluded
from foveal.facades.scripted import present_script

pytestmark = pytest.mark.filterwarnings("ignore")


def saved(program):
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file)


def exported(net, x):
    return torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))


@pytest.fixture(params=NETS)
def net(request):
    return build(request.param)


@pytest.fixture
def x(net):
    torch.manual_seed(6)
    return torch.randn(3, *net.sample)


def test_a_program_is_the_network_again(net, x):
    program = present_program(saved(exported(net, x)))
    assert choose_layer(program, x) == choose_layer(net, x)
    assert choose_node_layer(program, x) == choose_node_layer(net, x)
    node = f"{choose_node_layer(net, x)}:1"
    for method in ("gradcam", "gradient"):
        for layer in ["auto", "trunk"] if method == "gradcam" else ["auto"]:
            targets = ["top", "class:1", *([node] if layer == "trunk" else [])]
            ours = foveal.explain(program, x, layer=layer, targets=targets, method=method)
            theirs = foveal.explain(net, x, layer=layer, targets=targets, method=method)
            torch.testing.assert_close(ours.output, theirs.output, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-4, atol=1e-6)


def test_parts_of_a_program_are_modules_again():
    net = build("Residual")
    program = present_program(exported(net, torch.randn(2, *net.sample)))
    assert isinstance(program.get_submodule("trunk.0"), nn.Conv2d)
    assert program.get_submodule("trunk.0").stride == (2, 2)
    assert isinstance(program.get_submodule("tail"), nn.Linear)
    assert not any(part.training for part in program.modules())
    assert sample_shape(exported(net, torch.randn(2, *net.sample))) == (3, 16, 16)


def test_programs_that_are_refused():
    net, x = build("Residual"), torch.randn(2, 3, 16, 16)
    with pytest.raises(UsageError) as caught:
        present_program(torch.export.export(net, (x,)))
    assert str(caught.value) == (
        "The exported program takes batches of 2 alone. Export it with "
        'dynamic_shapes=({0: torch.export.Dim("batch")},).'
    )

    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(UsageError, match="The exported program takes 2 inputs"):
        present_program(torch.export.export(Two(), (x, x)))


@pytest.mark.parametrize("make", ["trace", "script"])
@pytest.mark.parametrize("name", ["Residual", "Trace", "Volume"])
def test_a_script_is_cut_by_surgery(name, make):
    net = build(name)
    x = torch.randn(3, *net.sample)
    script = torch.jit.trace(net, x, check_trace=False) if make == "trace" else torch.jit.script(net)
    module = present_script(script, x[:1])
    assert isinstance(module, Parted)
    assert choose_layer(module, x) == choose_node_layer(module, x) == SCRIPTED_LAYER
    for method in ("gradcam", "gradient"):
        ours, theirs = (
            foveal.explain(one, x, targets=["top", "class:1"], method=method) for one in (module, net)
        )
        assert torch.equal(ours.output, theirs.output)
        torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "make", "layer"),
    [("WrittenTransformer", "trace", "trunk_1_Add_1"), ("Awkward", "script", "trunk_1_Mul")],
)
def test_a_script_that_surgery_cannot_cut_goes_by_onnx(name, make, layer):
    net = build(name)
    x = torch.randn(3, *net.sample)
    script = torch.jit.trace(net, x, check_trace=False) if make == "trace" else torch.jit.script(net)
    module = present_script(script, x)
    assert isinstance(module, Parted)
    ours, theirs = (foveal.explain(one, x, targets=["top", "class:1"]) for one in (module, net))
    assert ours.layer == layer
    torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-3, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(module(x), net(x))  # the script itself predicts


def test_a_script_without_any_layer_is_asked(capfd):
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).eval()
    x = torch.randn(2, 3, 4, 4)
    module = present_script(torch.jit.trace(net, x), x)
    assert isinstance(module, Occluded)
    assert foveal.explain(module, x).maps.shape == (2, 1, 4, 4)
    ours, theirs = (foveal.explain(one, x, method="gradient").maps for one in (module, net))
    assert torch.equal(ours, theirs)
    assert capfd.readouterr().out == ""


def test_a_compiled_network_is_explained_through_its_original():
    net = build("Residual")
    x = torch.randn(2, *net.sample)
    compiled = torch.compile(net, backend="eager")
    ours, theirs = (foveal.explain(one, x, targets=["top", "class:2"]) for one in (compiled, net))
    assert ours.layer == theirs.layer
    assert torch.equal(ours.maps, theirs.maps)
