"""An ONNX file behaves as the module that it was exported from: layers, maps, gradients, hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper
from onnx_nets import NETS, build, export

import foveal
from foveal.capture import NodeTarget, Tap, TopClass, choose_layer, choose_node_layer, find_layer
from foveal.capture.hooks import hooked
from foveal.errors import UsageError
from foveal.facades.cut_files import present, shape_of
from foveal.facades.occluded import Occluded
from foveal.onnx_graphs import audited

#: The tensor that the layer `trunk` of each network gives, as a layer of the file.
TRUNKS = {
    "Residual": "trunk_trunk_3_Relu_1",
    "Awkward": "trunk_trunk_1_Mul",
    "Transformer": "trunk_trunk_1_Add_1",
    "ModuleTransformer": "trunk_trunk_1_Add_1",
    "WrittenTransformer": "trunk_trunk_1_Add_1",
    "Trace": "trunk_trunk_1_LeakyRelu",
    "Volume": "trunk_trunk_2_MaxPool",
}


@pytest.fixture(scope="module")
def both():
    """Give a network, its file as a module, and samples; each is made once."""
    made = {}

    def give(name):
        if name not in made:
            net = build(name)
            torch.manual_seed(5)
            made[name] = net, present(export(net)), torch.randn(3, *net.sample)
        return made[name]

    return give


def close(ours, theirs, share=1e-5):
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= share * float(theirs.max() - theirs.min()) + 1e-7


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_maps_are_those_of_the_network(both, name, method):
    net, file, x = both(name)
    nodes = choose_node_layer(net, x), choose_node_layer(file, x)
    before = [f"{one}:1" for one in nodes]
    theirs = foveal.explain(net, x, layer="trunk", targets=["top", "class:2", before[0]], method=method)
    ours = foveal.explain(file, x, layer=TRUNKS[name], targets=["top", "class:2", before[1]], method=method)
    close(ours.output, theirs.output)
    close(ours.maps, theirs.maps)


@pytest.mark.parametrize("name", NETS)
def test_the_layer_is_chosen_as_in_the_network(both, name):
    net, file, x = both(name)
    theirs = choose_layer(net, x)
    grid = foveal.explain(net, x, layer=theirs).maps.shape
    assert foveal.explain(file, x).maps.shape == grid
    assert (choose_layer(file, x) == TRUNKS[name]) == (theirs == "trunk")


@pytest.mark.parametrize("name", NETS)
def test_gradients_by_the_sample_are_those_of_the_network(both, name):
    net, file, x = both(name)
    close(
        foveal.explain(file, x, method="gradient").maps, foveal.explain(net, x, method="gradient").maps, 1e-4
    )


@pytest.mark.parametrize("name", ["Residual", "Transformer", "Volume"])
def test_a_value_that_a_hook_puts_in_place_goes_on(both, name):
    net, file, x = both(name)
    seen = []

    def halve(_module, _args, output):
        seen.append(output)
        return output / 2

    with torch.no_grad():
        with hooked([(net.trunk, halve)]):
            theirs = net(x)
        with hooked([(find_layer(file, TRUNKS[name]), halve)]):
            ours = file(x)
        assert not torch.allclose(theirs, net(x), rtol=0.01)
    close(seen[1], seen[0])
    close(ours, theirs)


def test_nobody_listening_it_is_one_plain_run(both, monkeypatch):
    _, file, x = both("Residual")
    asked = []
    monkeypatch.setattr(file.engine, "values", lambda *_: asked.append(1))
    layer = TRUNKS["Residual"]
    with torch.no_grad(), Tap(file, layer):
        assert file(x).shape == (3, 5)  # a tap listens in its own forwards alone
    assert not asked
    with torch.no_grad(), hooked([(find_layer(file, layer), lambda *_: None)]), pytest.raises(TypeError):
        file(x)
    assert asked


def test_a_forward_that_is_listened_to_gives_the_same_bits(both):
    _, file, x = both("Residual")
    with Tap(file, TRUNKS["Residual"], ["nodes_nodes_2_Gemm"]) as tap:
        assert tap.calibrate(x)
        with torch.inference_mode():
            assert torch.equal(tap.forward(x).output, file(x))


def test_many_targets_go_back_together(both, monkeypatch):
    net, file, x = both("Residual")
    pulled = []
    pull = file.engine.pull
    monkeypatch.setattr(
        file.engine,
        "pull",
        lambda start, value, end, rows: pulled.append(len(rows)) or pull(start, value, end, rows),
    )
    targets = [NodeTarget("nodes_nodes_2_Gemm", torch.full((3,), index)) for index in range(4)]
    with Tap(file, TRUNKS["Residual"], ["nodes_nodes_2_Gemm"]) as tap:
        ours = tap.forward(x).gradients(targets)
    assert pulled == [4]
    with Tap(net, "trunk", ["nodes.2"]) as tap:
        plain = [NodeTarget("nodes.2", torch.full((3,), index)) for index in range(4)]
        close(ours, tap.forward(x).gradients(plain))


@pytest.mark.parametrize("name", ["Residual", "Transformer"])
@pytest.mark.parametrize("size", [1, 2])
def test_files_of_a_fixed_batch_take_any_number_of_samples(both, name, size):
    net, _, x = both(name)
    file = present(export(net, batch=size))
    theirs = foveal.explain(net, x, layer="trunk", targets=["top", "class:1"])
    ours = foveal.explain(file, x, layer=TRUNKS[name], targets=["top", "class:1"])
    close(ours.output, theirs.output)
    close(ours.maps, theirs.maps)


def test_layers_before_the_head_run_on_crops(both):
    """Where the head takes samples of one size alone, what lies before it still describes crops."""
    net, file, _ = both("Awkward")
    crop, seen = torch.randn(2, 1, 7, 6), []
    layer = find_layer(file, TRUNKS["Awkward"])
    with torch.no_grad(), hooked([(layer, lambda _m, _a, output: seen.append(output))]):
        with pytest.raises(RuntimeError, match="does not run on a \\(2, 1, 7, 6\\) input beyond"):
            file(crop)
        close(seen[0], net.trunk(crop))


def test_an_audited_file_is_what_it_was_made_from(both):
    net, file, x = both("Residual")
    made, _ = audited(export(net))
    again = present(made)
    assert [part.name for part in again.engine.parts] == [part.name for part in file.engine.parts]
    with torch.no_grad():
        assert torch.equal(again(x), file(x))


def test_a_node_without_rule_leaves_the_layers_behind_it():
    trunk = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3))
    net = torch.nn.Sequential(trunk, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(5 * 16, 3)).eval()
    net.sample = (1, 8, 8)
    model = export(net)
    (norm,) = (node for node in model.graph.node if node.op_type == "Relu" and "/0/" in node.name)
    norm.op_type = "LRN"
    norm.attribute.append(helper.make_attribute("size", 1))
    file, x = present(model), torch.randn(2, 1, 8, 8)
    names = [part.name for part in file.engine.parts]
    assert names[0] == "0_0_1_Relu"
    assert foveal.explain(file, x).layer in names
    with pytest.raises(
        UsageError,
        match=r"There is no way back through node '/0/0.1/Relu' \(LRN\): this operator has no rule",
    ):
        foveal.explain(file, x, method="gradient")


def test_where_no_layer_is_left_the_network_is_asked():
    class Read(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = torch.nn.LSTM(8, 6, batch_first=True), torch.nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.lstm(x[:, 0])[0][:, -1])

    net = Read().eval()
    net.sample = (1, 8, 8)
    file = present(export(net))
    assert isinstance(file, Occluded)
    assert file.closed.endswith("(LSTM) has no rule")
    found = foveal.explain(file, torch.randn(2, 1, 8, 8), targets=["top", "class:1"])
    assert (found.layer, found.maps.shape) == ("cells", (2, 2, 8, 8))


def test_what_a_file_says_of_its_samples(both):
    net, _, _ = both("Trace")
    assert shape_of(export(net)) == (2, 20)


def test_numbers_are_finite_or_refused(both):
    _, file, x = both("Residual")
    x = x.clone()
    x[0, 0, 0, 0] = float("nan")
    with Tap(file, TRUNKS["Residual"]) as tap, pytest.raises(UsageError):
        tap.forward(x).attribute([TopClass()])
    assert np.isfinite(foveal.explain(file, torch.nan_to_num(x)).maps).all()
