"""Whole networks of both exporters: what an audited file gives is what torch gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx_nets import NETS, Transformer, build, contributions, export, oracle, tensor_like

from foveal.onnx_graphs import AuditedSession, Request, audited, checked
from foveal.onnx_graphs.cutting import Cutter
from foveal.onnx_graphs.probing import open_session

#: Networks whose last tensor with positions is the layer in question, so that ``auto`` finds it.
FOUND = ("Residual", "Transformer", "ModuleTransformer", "WrittenTransformer", "Trace")
#: TorchScript's exporter at opset 13 has no word for fused attention.
SCRIPTED = [
    (name, opset)
    for name in NETS
    for opset in (13, 17, 20)
    if opset > 13 or name not in ("Transformer", "ModuleTransformer")
]


def samples(net, count=4):
    return np.random.default_rng(0).normal(size=(count, *net.sample)).astype(np.float32)


def compare(name, opset, *, dynamo, nodes=4):
    net = build(name)
    model = export(net, opset, dynamo=dynamo)
    x = samples(net)
    leaf = net.trunk(torch.tensor(x))
    layer, deep = tensor_like(model, x, leaf), tensor_like(model, x, net.nodes(leaf))
    made, description = audited(model, Request(layer, nodes=deep, node_count=nodes))
    found = AuditedSession(made.SerializeToString()).run(x)
    scores, maps, node_maps = oracle(net, x, description.top, found.node_ids)
    np.testing.assert_allclose(found.output, scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.class_ids, np.argsort(-scores, 1)[:, : description.top])
    assert np.abs(found.maps - maps).max() <= 1e-5 * np.ptp(maps)
    assert np.abs(found.node_maps - node_maps).max() <= 1e-5 * np.ptp(node_maps)
    values, spoken = contributions(net, x)
    np.testing.assert_array_equal(found.node_ids, np.argsort(-spoken, 1, kind="stable")[:, :nodes])
    np.testing.assert_allclose(
        found.node_activations, np.take_along_axis(values, found.node_ids, 1), rtol=1e-4, atol=1e-5
    )
    check = checked(model, made, description)
    assert check.scores <= 1e-6
    assert check.differences <= 1e-3
    assert check.batches <= 1e-5
    return model, layer, description


@pytest.mark.parametrize(("name", "opset"), SCRIPTED)
def test_scores_maps_and_nodes_are_those_of_torch(name, opset):
    model, layer, description = compare(name, opset, dynamo=False)
    assert (description.layer, description.top) == (layer, 3)
    if name in FOUND:
        assert audited(model)[1].layer == layer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "opset"), [("Residual", 13), ("Residual", 20), ("Awkward", 17), ("ModuleTransformer", 20)]
)
def test_files_of_the_newer_exporter_as_well(name, opset):
    compare(name, opset, dynamo=True)


def test_the_file_keeps_its_nodes_its_weights_and_its_outputs():
    model = export(build("Residual"))
    before = model.SerializeToString()
    made, _ = audited(model)
    assert model.SerializeToString() == before
    count = len(model.graph.node)
    assert list(made.graph.node[:count]) == list(model.graph.node)
    assert list(made.graph.initializer[: len(model.graph.initializer)]) == list(model.graph.initializer)
    assert [one.name for one in made.graph.output] == ["scores", "foveal_class_ids", "foveal_maps"]
    assert made.ByteSize() < 1.3 * model.ByteSize() + 20_000
    onnx.checker.check_model(made, full_check=True)


def test_scores_of_a_late_layer_are_bit_identical():
    net = build("Residual")
    model = export(net)
    made, description = audited(model)
    x = samples(net)
    (plain,) = open_session(model).run(None, {"x": x})
    np.testing.assert_array_equal(AuditedSession(made.SerializeToString()).run(x).output, plain)
    assert checked(model, made, description).identical


@pytest.mark.parametrize("dynamo", [False, True], ids=["t", "d"])
def test_tensors_may_be_named_as_layers_are(dynamo):
    model = export(build("Residual"), 18, dynamo=dynamo)
    parts = {part.name: part.tensor for part in Cutter(model).parts}
    layer, nodes = ("relu_2", "linear") if dynamo else ("trunk_trunk_3_Relu_1", "nodes_nodes_2_Gemm")
    by_layer, description = audited(model, Request(layer, nodes=nodes, node_count=4))
    assert (description.layer, description.nodes) == (parts[layer], parts[nodes])
    by_tensor, _ = audited(model, Request(parts[layer], nodes=parts[nodes], node_count=4))
    assert by_layer.SerializeToString(deterministic=True) == by_tensor.SerializeToString(deterministic=True)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_batch_gives_each_sample_its_own(count):
    net = build("WrittenTransformer")
    model = export(net)
    layer = audited(model)[1].layer
    session = AuditedSession(audited(model, Request(layer, top=5))[0].SerializeToString())
    x = samples(net, count)
    alone = [session.run(x[[row]]).maps for row in range(count)]
    np.testing.assert_allclose(session.run(x).maps, np.concatenate(alone), rtol=1e-3, atol=1e-6)


def test_a_file_of_a_fixed_batch_keeps_it():
    net = build("Residual")
    model = export(net, batch=2)
    made, description = audited(model)
    assert not description.batches
    x = samples(net, 2)
    found = AuditedSession(made.SerializeToString()).run(x)
    _, maps, _ = oracle(net, x, 3)
    assert np.abs(found.maps - maps).max() <= 1e-5 * np.ptp(maps)
    assert checked(model, made, description).batches is None


def test_channels_stand_for_nodes_by_their_mean():
    net = build("Residual")
    model = export(net)
    x = samples(net)
    layer = audited(model)[1].layer
    early = next(node.output[0] for node in model.graph.node if node.op_type == "Relu")
    made, _ = audited(model, Request(early, nodes=layer, node_count=2))
    found = AuditedSession(made.SerializeToString()).run(x)
    leaf = net.trunk[:3](torch.tensor(x)).detach().requires_grad_()
    channels = net.trunk[3](leaf).mean((2, 3))
    np.testing.assert_allclose(
        found.node_activations,
        np.take_along_axis(channels.detach().numpy(), found.node_ids, 1),
        rtol=1e-4,
        atol=1e-6,
    )
    picked = channels.gather(1, torch.tensor(found.node_ids[:, [1]])).sum()
    (gradient,) = torch.autograd.grad(picked, leaf)
    expected = (gradient.mean((2, 3), keepdim=True) * leaf).sum(1).detach().numpy()
    assert np.abs(found.node_maps[:, 1] - expected).max() <= 1e-5 * np.ptp(expected)


def test_no_more_maps_than_classes():
    made, description = audited(export(build("Volume")), Request(top=9))
    assert description.top == 3
    assert [one.dim_value for one in made.graph.output[2].type.tensor_type.shape.dim[1:2]] == [3]


def test_one_score_is_explained_as_it_is():
    net = build("Volume")
    net.tail = torch.nn.Linear(5, 1)
    x = samples(net)
    model = export(net)
    layer = tensor_like(model, x, net.trunk(torch.tensor(x)))
    made, description = audited(model, Request(layer))
    assert description.top == 1
    _, maps, _ = oracle(net, x, 1)
    assert np.abs(AuditedSession(made.SerializeToString()).run(x).maps - maps).max() <= 1e-5 * np.ptp(maps)


def test_the_same_file_gives_the_same_bytes():
    model = export(build("Awkward"))
    first, second = (audited(model)[0].SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_behind_the_last_attention_only_the_class_token_leads_on():
    net = build("Transformer")
    assert isinstance(net, Transformer)
    _, description = audited(export(net))
    assert (description.grid, description.prefix, description.order) == ((3, 3), 1, (0, 2, 1))


def test_the_class_token_goes_back_through_the_mlp_alone():
    """Slopes of the MLP behind the last attention are computed for one token, not for all ten."""
    net = build("Transformer")
    made, _ = audited(export(net, 20))
    (bell,) = (node.output[0] for node in made.graph.node if node.name.startswith("foveal/Erf"))
    made.graph.output.append(onnx.ValueInfoProto(name=bell))
    (slopes,) = open_session(made).run([bell], {"x": samples(net)})
    assert slopes.shape == (4, 1, 16)


def test_behind_an_average_no_gradient_is_laid_out():
    """Weights of channels come straight from the head: nothing is expanded to the grid."""
    made, _ = audited(export(build("Residual")))
    added = [node.op_type for node in made.graph.node if node.name.startswith("foveal/")]
    assert added.count("MatMul") == 2  # one through the first Linear, one for the maps
    assert added.count("Expand") == 1  # the ones that gradients start with
    assert "Pad" not in added
