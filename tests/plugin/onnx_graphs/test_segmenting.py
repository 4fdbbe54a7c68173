"""Segmentation networks as files that explain themselves: they give what torch gives of the same scores."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_nets import export
from segmentation_archives import network
from torch import nn

import foveal
from foveal.errors import UsageError
from foveal.onnx_graphs import AuditedSession, Request, audited, checked
from foveal.onnx_graphs.cutting import unaudited
from foveal.onnx_graphs.probing import open_session, probe
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.segmenting import scored, segments
from foveal.segmenting.network import Segmenter
from foveal.segmenting.scores import by_class, scores

pytestmark = pytest.mark.filterwarnings("ignore")


class Fewer(nn.Module):
    """Logits of a coarser grid, enlarged: no convolution follows the scores' own."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.SiLU(), nn.MaxPool2d(2))
        self.head = nn.Conv2d(6, 4, 1)
        self.up = nn.Upsample(scale_factor=4, mode="bilinear")

    def forward(self, x):
        return self.up(self.head(self.down(x)))


def trace():
    return nn.Sequential(nn.Conv1d(2, 5, 5, padding=2), nn.GELU(), nn.Conv1d(5, 3, 1))


def volume():
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.ConvTranspose3d(4, 2, 2, 2))


#: What makes a network, the shape of its samples, and the layer of its last features.
NETS = {
    "unet": (network, (1, 32, 32), "dec"),
    "one channel": (lambda: network(1), (1, 32, 32), "dec"),
    "enlarged": (Fewer, (3, 16, 24), "down"),
    "trace": (trace, (2, 40), "1"),
    "volume": (volume, (1, 6, 8, 4), "1"),
}


def made(name, **how):
    build, sample, layer = NETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(2)
        net = build().eval()
    return net, export(net, sample=sample, **how), sample, layer


def samples(sample, count=3):
    return np.random.default_rng(0).normal(size=(count, *sample)).astype(np.float32)


@pytest.mark.parametrize("background", [0, None])
@pytest.mark.parametrize("name", NETS)
def test_scores_and_maps_are_those_of_torch(name, background):
    net, model, sample, layer = made(name)
    ours, description = audited(model, Request(background=background, top=4))
    x = samples(sample)
    found = AuditedSession(ours.SerializeToString()).run(x)
    classes = [f"class:{number}" for number in range(description.top)]
    before = Segmenter(net, background)
    truth = foveal.explain(before, torch.tensor(x), layer=layer, targets=classes, method="gradcam")
    np.testing.assert_array_equal(found.output, open_session(model).run(None, {"x": x})[0])
    np.testing.assert_allclose(found.scores, truth.output, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.class_ids, np.argsort(-truth.output.numpy(), 1, kind="stable"))
    assert found.maps.shape == truth.maps.shape
    for row, number in np.ndindex(*found.class_ids.shape):
        theirs = truth.maps[row, found.class_ids[row, number]].numpy()
        assert np.abs(found.maps[row, number] - theirs).max() <= 1e-4 * np.ptp(theirs)
    assert np.ptp(truth.maps[:, 1].numpy()) > 1e-6
    check = checked(model, ours, description)
    assert check.identical
    assert check.differences < 0.05


def test_nodes_are_channels():
    net, model, sample, _ = made("unet")
    ours, description = audited(model, Request(nodes="dec_dec_1_Relu", node_count=2, layer="enc_enc_1_Relu"))
    x = samples(sample, 1)
    found = AuditedSession(ours.SerializeToString()).run(x)
    kept = []
    for part in (net.enc, net.dec):
        part.register_forward_hook(lambda _module, _given, output: kept.append(output))
    output = Segmenter(net)(torch.tensor(x))
    early, late = kept
    (gradient,) = torch.autograd.grad(output.max(1).values.sum(), late, retain_graph=True)
    spoken = (gradient * late).sum((2, 3))
    ids = spoken.topk(2).indices
    np.testing.assert_array_equal(found.node_ids, ids)
    np.testing.assert_allclose(
        found.node_activations, late.mean((2, 3)).gather(1, ids).detach(), rtol=1e-4, atol=1e-6
    )
    (back,) = torch.autograd.grad(late.mean((2, 3))[0, ids[0, 0]], early)
    expected = (back.mean((2, 3), keepdim=True) * early).sum(1)[0].detach().numpy()
    assert np.abs(found.node_maps[0, 0] - expected).max() <= 1e-4 * np.ptp(expected)
    assert description.node_count == 2


@pytest.mark.slow
def test_files_of_the_newer_exporter_as_well():
    _, older, sample, _ = made("unet")
    _, newer, *_ = made("unet", opset=20, dynamo=True)
    x = samples(sample)
    ours, theirs = (AuditedSession(audited(one)[0].SerializeToString()).run(x) for one in (newer, older))
    np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-4 * np.ptp(theirs.maps))


def test_the_file_keeps_its_nodes_and_its_first_output():
    _, model, *_ = made("unet")
    before = model.SerializeToString()
    ours, description = audited(model)
    assert model.SerializeToString() == before
    assert list(ours.graph.node[: len(model.graph.node)]) == list(model.graph.node)
    names = ["scores", "foveal_scores", "foveal_class_ids", "foveal_maps"]
    assert [one.name for one in ours.graph.output] == names
    onnx.checker.check_model(ours, full_check=True)
    assert description.segments
    plain = unaudited(ours)
    assert list(plain.graph.node) == list(model.graph.node)
    assert list(plain.graph.output) == list(model.graph.output)
    with pytest.raises(UsageError, match="The ONNX file has been audited before"):
        audited(ours)


def naming(classes, sides):
    """Write a file that hands logits (B, n, *S) on as they came."""
    shape = ["batch", classes, *sides]
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "net", [given], [made])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@given(
    st.integers(1, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=3).filter(lambda sides: np.prod(sides) > 1),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_scores_are_those_of_the_module(classes, sides, seed, some):
    """Also where a class wins nowhere, and where all logits of a position are near one another."""
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=10.0 ** rng.integers(-3, 2), size=(2, classes, *sides)).astype(np.float32)
    background = int(rng.integers(max(classes, 2))) if some else None
    graph = Graph(naming(classes, sides))
    known = probe(graph)
    assert segments(graph, known)
    found, logits = open_session(scored(graph, known, background)).run(None, {"x": x})
    np.testing.assert_array_equal(logits, x)
    np.testing.assert_allclose(found, scores(by_class(torch.tensor(x)), background), rtol=1e-4, atol=1e-5)


def test_a_background_that_there_is_not():
    _, model, *_ = made("unet")
    with pytest.raises(UsageError) as caught:
        audited(model, Request(background=3))
    assert str(caught.value) == (
        "Class 3 is to be the background of 3 classes. "
        "Give a number from 0 to 2, or null where there is none."
    )


def test_tensors_of_the_file_alone_are_offered():
    _, model, *_ = made("unet")
    with pytest.raises(UsageError) as caught:
        audited(model, Request(layer="pool"))
    assert str(caught.value) == (
        "There is no tensor 'pool' between input and scores. "
        "Did you mean 'scores' or '/out/Conv_output_0' or '/dec/dec.1/Relu_output_0'."
    )


def test_logits_without_features_before_them():
    with pytest.raises(UsageError) as caught:
        audited(export(nn.Conv2d(1, 2, 3, padding=1), sample=(1, 8, 8)))
    assert str(caught.value) == (
        "The network has no layer of features before its logits. Name one with --layer."
    )
